"""From the word before the colon in `app.model` to the provider it names."""

from importlib import import_module
from typing import cast

from lineside.core import Invalid, did_you_mean, plugins
from lineside.gateway.model import ModelProvider

# Named and not imported: each brings libraries that only its own models need.
_BUILT_IN = {
    "embedded": ("lineside.gateway.embedded", "EmbeddedProvider", ()),
    **{
        name: ("lineside.gateway.prompted", "PromptedProvider", (name,))
        for name in ("openai", "anthropic", "gemini")
    },
    "gguf": ("lineside.gateway.local", "LocalProvider", ()),
    "route": ("lineside.gateway.routed", "RouteProvider", ()),
    "scripted": ("lineside.gateway.scripted", "ScriptedProvider", ()),
}
# Models that have a provider of their own within the family their name begins with.
_BY_SPEC = {"embedded:quotes": ("lineside.gateway.quoting", "QuotesProvider", ())}
_METHODS = ("check", "files", "fit", "open")


def provider_names() -> list[str]:
    """Name every provider a manifest may use here: the built-in ones first, then plugins."""
    return [*_BUILT_IN, *(name for name in plugins.plugin_names("models") if name not in _BUILT_IN)]


def provider_for(spec: str) -> ModelProvider:
    """Give the provider that the word before the first colon names; a built-in name always wins.

    Raises:
        Invalid: The spec has no provider or no model, nobody offers the provider, or the plugin
            that does is broken.
    """
    name, colon, model = spec.partition(":")
    known = ", ".join(f"`{word}:`" for word in provider_names())
    if not colon or not name or not model.strip():
        raise Invalid(
            "bad_model_name",
            f"Not the name of a model: `{spec[:80]}`",
            hint=f"Write the provider, a colon and the model, as in `embedded:classifier`; "
            f"providers: {known}.",
        )
    if name in _BUILT_IN:
        module, attribute, given = _BY_SPEC.get(spec) or _BUILT_IN[name]
        return cast(ModelProvider, getattr(import_module(module), attribute)(*given))
    if name not in provider_names():
        near = did_you_mean(name, provider_names())
        question = f"Did you mean `{near}:{model[:80]}`? " if near else ""
        raise Invalid(
            "unknown_model_provider",
            f"No model provider is called `{name[:80]}`",
            hint=f"{question}Providers: {known}.",
        )
    return _from_plugin(name)


def _from_plugin(name: str) -> ModelProvider:
    offered = plugins.load_plugin("models", name)
    if isinstance(offered, type):
        offered = offered()
    missing = [method for method in _METHODS if not callable(getattr(offered, method, None))]
    if missing:
        raise Invalid(
            "plugin_broken",
            f"Plugin `{name}` is no model provider: it lacks {', '.join(missing)}",
            hint="It must offer what `lineside.gateway.ModelProvider` describes.",
        )
    return cast(ModelProvider, offered)
