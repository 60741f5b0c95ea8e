"""What a compile starts from: each kind of source model as one protocol, with its samples.

In: what the user gave. Out: a reference and an exported program.
"""
