"""The key of a compile: what the result depends on, as one hash.

What cannot be reduced to one is named, and then nothing is cached.
"""
