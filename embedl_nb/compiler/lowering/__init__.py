"""From an exported program to a flatbuffer: what the converter cannot take is rewritten, the rest is its work.

Runs in a child process.
"""
