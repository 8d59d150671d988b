"""Traces in the lake of which some steps belong to another use case than their rows say."""

from lineside.traces.strays.finding import strays_of

__all__ = ["strays_of"]
