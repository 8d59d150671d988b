"""Door for programs: REST under `/api`, models under `/v1`, OTLP where its senders look."""

from lineside.api.annotations import annotation_routes
from lineside.api.app import build_api
from lineside.api.door_paths import door_paths
from lineside.api.idempotent import finish_answers
from lineside.api.models import AnsweringDoor, model_routes, wire_refusal
from lineside.api.otlp import otlp_routes
from lineside.api.otlp_grpc import OtlpGrpc

__all__ = [
    "AnsweringDoor",
    "OtlpGrpc",
    "annotation_routes",
    "build_api",
    "door_paths",
    "finish_answers",
    "model_routes",
    "otlp_routes",
    "wire_refusal",
]
