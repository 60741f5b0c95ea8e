"""Better integers for the same operators: equalized ranges, least-squares rounding, corrected biases. Bytes to bytes.

Imported in the quantizer's child process only.
"""
