"""Metrics of other programs: what model calls took, and which spans never reached us."""

from lineside.traces.metrics.losses import ClientLosses, client_losses
from lineside.traces.metrics.receiving import receive_metrics

__all__ = ["ClientLosses", "client_losses", "receive_metrics"]
