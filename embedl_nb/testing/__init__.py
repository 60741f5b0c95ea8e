"""Public fakes: tiny models, made-up results, virtual devices and the suites that real parts pass too.

Nothing in the package imports this.
"""
