"""How programs name what a step did: one file per family of names, each a pure function.

A family's `read` answers a `Reading` with what it recognised; `mapping.py` decides whose word wins.
"""
