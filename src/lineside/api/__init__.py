"""Door for programs: REST under `/api`, and OTLP where its senders look for it."""

from lineside.api.app import build_api
from lineside.api.otlp import otlp_routes

__all__ = ["build_api", "otlp_routes"]
