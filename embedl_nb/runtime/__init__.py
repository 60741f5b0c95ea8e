"""Child processes: the measured LiteRT worker, and the machinery that starts, talks to and buries any child.

Paths and arrays go in and come out; nothing here knows what a model is for. The parent's side is process.py and
pool.py, the child's serve.py and worker.py. Nothing in this package imports the runtime into the user's own process.
"""
