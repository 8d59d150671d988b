"""Door for programs: REST under `/api`, and OTLP where its senders look for it."""

from lineside.api.app import build_api
from lineside.api.otlp import otlp_routes
from lineside.api.otlp_grpc import OtlpGrpc

__all__ = ["OtlpGrpc", "build_api", "otlp_routes"]
