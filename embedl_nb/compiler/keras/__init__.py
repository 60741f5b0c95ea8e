"""Keras and TensorFlow models on their way to LiteRT.

A model's entry points (entries.py) are called with samples bound to their inputs (binding.py) and traced for the
samples' shapes (tracing.py): in the kernel for an object, in the child for a file, which is looked through before it is
loaded (files.py, checks.py). Freezing and converting (lowering.py) happen in the child only.
"""
