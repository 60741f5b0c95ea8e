"""LiteRT's benchmark_model: the program, the command line, and what it prints."""
