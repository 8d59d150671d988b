"""Every model call: what a model is, and the providers behind it."""

from lineside.gateway.form import Form, show
from lineside.gateway.model import CalledFor as CalledFor
from lineside.gateway.model import Model, ModelProvider, ModelReply, ModelSetup, ReplyStep
from lineside.gateway.model import called_for as called_for
from lineside.gateway.output import shorten
from lineside.gateway.providers import provider_for, provider_names
from lineside.gateway.retry import hear_rate_limit, rate_limit_heard, read_retry_after
from lineside.gateway.similarity import gram_similarity, vector_similarity

__all__ = [
    "Form",
    "Model",
    "ModelProvider",
    "ModelReply",
    "ModelSetup",
    "ReplyStep",
    "gram_similarity",
    "hear_rate_limit",
    "provider_for",
    "provider_names",
    "rate_limit_heard",
    "read_retry_after",
    "shorten",
    "show",
    "vector_similarity",
]
