"""LiteRT's benchmark_model: the program (binary.py), its command line (command.py), and what it prints.

output.py reads the runs, profile.py the operators, placement.py where they ran, and failures.py why there is nothing.
"""
