"""How many tokens a request has, by a provider that would answer it."""

from functools import partial

from lineside.core import Invalid
from lineside.gateway.calls.by_route import ask_by_route
from lineside.gateway.calls.gateway import Gateway, ModelCall
from lineside.gateway.calls.gguf import GgufUpstream
from lineside.gateway.calls.route import ModelTarget
from lineside.gateway.wires import gemini_request, messages_request

_NOT_COUNTED = ("max_tokens", "stream", "temperature", "top_p", "top_k", "metadata")


async def count_tokens(gateway: Gateway, call: ModelCall) -> int:
    """Ask the providers of the call's route; nothing is answered and nothing is paid.

    Raises:
        Invalid: None of them counts tokens ahead.
        LinesideError: Of the last provider that was asked.
    """
    ask, can = partial(_count, gateway, call), partial(_can_count, gateway)
    return await ask_by_route(gateway, call, ask, can=can)


def _can_count(gateway: Gateway, target: ModelTarget) -> bool:
    upstream = gateway.at_address(target.provider)
    is_counting = upstream is not None and upstream.endpoint.wire in ("messages", "gemini")
    return is_counting or isinstance(target.upstream, GgufUpstream)


async def _count(gateway: Gateway, call: ModelCall, target: ModelTarget) -> int:
    request = call.request.model_copy(update={"model": target.model})
    if isinstance(target.upstream, GgufUpstream):
        return await target.upstream.count(request)
    upstream = gateway.at_address(target.provider)
    if upstream is not None and upstream.endpoint.wire == "messages":
        body = messages_request.write_request(request)
        body = {name: value for name, value in body.items() if name not in _NOT_COUNTED}
        path = "/messages/count_tokens"
        reply = await upstream.post(path, body, model=target.model, traceparent=call.traceparent)
        return int(reply["input_tokens"])
    if upstream is not None and upstream.endpoint.wire == "gemini":
        inner = gemini_request.write_request(request) | {"model": f"models/{target.model}"}
        inner.pop("generationConfig", None)
        body = {"generateContentRequest": inner}
        path = f"/models/{target.model}:countTokens"
        reply = await upstream.post(path, body, model=target.model, traceparent=call.traceparent)
        return int(reply["totalTokens"])
    raise Invalid(
        "tokens_not_countable",
        f"`{target.provider}` does not count tokens ahead of an answer",
        hint="Count after the answer: each one says what it took.",
    )
