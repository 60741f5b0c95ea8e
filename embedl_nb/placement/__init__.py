"""Where every operator of a model would run on a phone, and why: seen from runtimes and compilers, not guessed."""
