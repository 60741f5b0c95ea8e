"""Why a compile failed, for the user.

Out come the operator, its place in the source, the nearest rewrite, and a script that fails the same way.
"""
