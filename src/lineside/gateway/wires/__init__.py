"""The wires that models and callers speak, each read into the canonical form and written from it.

A wire carries no guard, no budget and no trace: it only translates, and does no I/O.
"""
