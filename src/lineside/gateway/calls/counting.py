"""How many tokens a request has, by the provider that would answer it."""

from lineside.core import Invalid
from lineside.gateway.calls.gateway import Gateway
from lineside.gateway.calls.gguf import GgufUpstream
from lineside.gateway.canonical.request import ModelRequest
from lineside.gateway.wires import gemini_request, messages_request

_NOT_COUNTED = ("max_tokens", "stream", "temperature", "top_p", "top_k", "metadata")


async def count_tokens(gateway: Gateway, request: ModelRequest) -> int:
    """Ask the provider; nothing is answered and nothing is paid.

    Raises:
        Invalid: The provider counts no tokens ahead.
    """
    target = gateway.target(gateway.route(request.model).names[0])
    request = request.model_copy(update={"model": target.model})
    if isinstance(target.upstream, GgufUpstream):
        return await target.upstream.count(request)
    upstream = gateway.at_address(target.provider)
    if upstream is not None and upstream.endpoint.wire == "messages":
        body = messages_request.write_request(request)
        body = {name: value for name, value in body.items() if name not in _NOT_COUNTED}
        reply = await upstream.post("/messages/count_tokens", body, model=target.model)
        return int(reply["input_tokens"])
    if upstream is not None and upstream.endpoint.wire == "gemini":
        inner = gemini_request.write_request(request) | {"model": f"models/{target.model}"}
        inner.pop("generationConfig", None)
        body = {"generateContentRequest": inner}
        path = f"/models/{target.model}:countTokens"
        return int((await upstream.post(path, body, model=target.model))["totalTokens"])
    raise Invalid(
        "tokens_not_countable",
        f"`{target.provider}` does not count tokens ahead of an answer",
        hint="Count after the answer: each one says what it took.",
    )
