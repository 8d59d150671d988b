"""Metrics of other programs: what model calls took, and which spans never reached us."""

from lineside.traces.metrics.histograms import ClientHistogram, client_histograms
from lineside.traces.metrics.losses import ClientLosses, client_losses
from lineside.traces.metrics.receiving import receive_metrics

__all__ = [
    "ClientHistogram",
    "ClientLosses",
    "client_histograms",
    "client_losses",
    "receive_metrics",
]
