"""Which provider sold a call, and under which name its model is listed. Pure."""

import re
from typing import NamedTuple

# OpenTelemetry's names, and those that programs send in their place, to the base table's.
_VENDORS = {
    "anthropic": "anthropic",
    "aws.bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "azure.openai": "azure",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "databricks": "databricks",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "fireworks_ai": "fireworks",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "google": "google",
    "groq": "groq",
    "minimax": "minimax",
    "mistral": "mistral",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "moonshotai": "moonshotai",
    "novita": "novita",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "together_ai": "together",
    "voyage": "voyageai",
    "voyageai": "voyageai",
    "x-ai": "x-ai",
    "x_ai": "x-ai",
    "zai": "zai",
}
# A gateway is no seller: what it was asked for says who is behind it.
_GATEWAYS = {"litellm"}
_PREFIXES = _VENDORS | {
    "azure": "azure",
    "bedrock": "aws",
    "gemini": "google",
    "vertex_ai": "google",
    "xai": "x-ai",
}
# Without a provider only what a single vendor makes and sells; open models are sold by many.
_FAMILIES = (
    (re.compile(r"(?:ft:)?gpt-(?!oss)|chatgpt-|o[1-9](?:-|$)|text-embedding-(?:3|ada)"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"gemini-"), "google"),
    (re.compile(r"grok-"), "x-ai"),
    (re.compile(r"voyage-"), "voyageai"),
)
_BEDROCK = re.compile(
    r"(?:[a-z]{2,6}(?:-gov)?\.)?"
    r"(?:amazon|anthropic|cohere|deepseek|google|meta|mistral|moonshotai|nvidia|openai|qwen|writer"
    r"|zai)\.[a-z]"
)
_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:[^/]*:(?:foundation-model|inference-profile)/(.+)")
_GOOGLE_PATH = re.compile(r"(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/[^/]+/)?models/(.+)")


class Named(NamedTuple):
    """A model as the base table may list it: vendor (nothing where nobody can say) and name."""

    vendor: str | None
    model: str


def named(provider: str | None, model: str) -> Named:
    """The vendor and model that are meant; a provider that is not known stays as it is."""
    name = model.strip().lower()
    found = _ARN.fullmatch(name)
    if found:
        return Named("aws", found[1])
    stated = provider.strip().lower() if provider else None
    vendor = _VENDORS.get(stated, stated) if stated and stated not in _GATEWAYS else None
    prefix, slash, rest = name.partition("/")
    if slash and prefix in _PREFIXES and vendor in (None, _PREFIXES[prefix]):
        vendor, name = _PREFIXES[prefix], rest
    if vendor in (None, "google"):
        path = _GOOGLE_PATH.fullmatch(name)
        if path:
            vendor, name = "google", path[1]
    if vendor is None:
        vendor = "aws" if _BEDROCK.match(name) else None
        for family, sole in _FAMILIES:
            if family.match(name):
                vendor = sole
    return Named(vendor, name)
