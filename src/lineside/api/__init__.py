"""Door for programs: REST under `/api`, models under `/v1`, and OTLP where its senders look for it."""

from lineside.api.app import build_api
from lineside.api.models import model_routes
from lineside.api.otlp import otlp_routes
from lineside.api.otlp_grpc import OtlpGrpc

__all__ = ["OtlpGrpc", "build_api", "model_routes", "otlp_routes"]
