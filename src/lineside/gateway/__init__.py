"""Every model call: what a model is, and the providers behind it."""

from lineside.gateway.model import Model, ModelProvider, ModelReply, ModelSetup
from lineside.gateway.providers import provider_for, provider_names

__all__ = ["Model", "ModelProvider", "ModelReply", "ModelSetup", "provider_for", "provider_names"]
