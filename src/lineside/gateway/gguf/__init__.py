"""Models that run on this machine from a GGUF file: where it lies, and the process that asks it."""

from lineside.gateway.gguf.engine import Engine, EngineSetup, Running, check_installed, engine_for
from lineside.gateway.gguf.weights import digest_of_weights, find_weights, models_folder

__all__ = [
    "Engine",
    "EngineSetup",
    "Running",
    "check_installed",
    "digest_of_weights",
    "engine_for",
    "find_weights",
    "models_folder",
]
