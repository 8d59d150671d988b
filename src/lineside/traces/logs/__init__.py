"""Log records of other programs: what they tell of a model's call is kept, and joined to it."""

from lineside.traces.logs.receiving import receive_logs

__all__ = ["receive_logs"]
