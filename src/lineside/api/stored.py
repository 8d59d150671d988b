"""`/v1/responses/{id}`: responses that are kept, as OpenAI's client asks for them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from starlette.requests import Request

from lineside.apps import stored_calls
from lineside.core import Invalid, NotFound
from lineside.gateway import canonical, wires
from lineside.trust import Scope

_PAGE_ITEMS, _PAGE_ITEMS_MAX = 20, 100
_TRUE, _FALSE = ("true", "1"), ("false", "0", "")


class Caller(Protocol):
    """Whoever asks, and what they ask."""

    request: Request
    scope: Scope


Said = dict[str, Any] | bytes
"""An object, or all events of a stream."""


async def retrieve(caller: Caller) -> Said:
    """A response as it was answered; with `stream=true` as the events of its stream."""
    asked = caller.request.query_params
    found = await stored_calls.find(caller.scope, _id(caller))
    if not _is_true(asked, "stream"):
        return found.answer
    events = _events(found.answer)
    after = _number(asked, "starting_after", usual=-1, least=0, most=1_000_000_000)
    return b"".join(events[after + 1 :])


async def delete(caller: Caller) -> Said:
    """Delete a response."""
    await stored_calls.delete(caller.scope, _id(caller))
    return {"id": _id(caller), "object": "response", "deleted": True}


async def cancel(caller: Caller) -> Said:
    """Say that there is nothing to cancel."""
    found = await stored_calls.find(caller.scope, _id(caller))
    raise Invalid(
        "not_in_background",
        f"`{found.id}` is answered already, and nothing is answered in the background",
        hint="Who hangs up ends their call.",
    )


async def count(caller: Caller) -> Said:
    """Say where tokens are counted, and where they are not."""
    raise NotFound(
        "unknown_path",
        f"There is no door at `POST {caller.request.url.path[:200]}`",
        hint="`/v1/messages/count_tokens` counts what a model would read, where its provider does; "
        "each answer says what it took.",
    )


async def compact(caller: Caller) -> Said:
    """Say that no conversation is made shorter here."""
    raise NotFound(
        "unknown_path",
        f"There is no door at `POST {caller.request.url.path[:200]}`",
        hint="Ask a model for what matters of the conversation, and begin anew with that.",
    )


async def input_items(caller: Caller) -> Said:
    """A page of what a response was asked, the newest first if nobody says otherwise."""
    asked = caller.request.query_params
    order, after = asked.get("order", "desc"), asked.get("after")
    if order not in ("asc", "desc"):
        raise Invalid("bad_page", f"`order` is `{order[:40]}`, expected `asc` or `desc`")
    limit = _number(asked, "limit", usual=_PAGE_ITEMS, least=1, most=_PAGE_ITEMS_MAX)
    items = await stored_calls.asked_of(caller.scope, _id(caller))
    if order == "desc":
        items.reverse()
    start = 0 if after is None else _place(items, after) + 1
    page = items[start : start + limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": start + limit < len(items),
    }


DOORS: tuple[tuple[str, str, Callable[[Caller], Awaitable[Said]]], ...] = (
    ("/input_tokens", "POST", count),
    ("/compact", "POST", compact),
    ("/{id}", "GET", retrieve),
    ("/{id}", "DELETE", delete),
    ("/{id}/input_items", "GET", input_items),
    ("/{id}/cancel", "POST", cancel),
)


def _id(caller: Caller) -> str:
    return str(caller.request.path_params["id"])


def _is_true(asked: Mapping[str, str], name: str) -> bool:
    said = asked.get(name, "").lower()
    if said not in (*_TRUE, *_FALSE):
        raise Invalid("bad_query", f"`{name}` is `{said[:40]}`, expected `true` or `false`")
    return said in _TRUE


def _number(asked: Mapping[str, str], name: str, *, usual: int, least: int, most: int) -> int:
    said = asked.get(name)
    if said is None:
        return usual
    number = int(said) if said.isascii() and said.isdigit() and len(said) < 12 else -1
    if not least <= number <= most:
        raise Invalid(
            "bad_query",
            f"`{name}` is `{said[:40]}`, expected a whole number from {least} to {most:,}",
        )
    return number


def _place(items: Sequence[Mapping[str, Any]], after: str) -> int:
    for at, item in enumerate(items):
        if item["id"] == after:
            return at
    raise Invalid(
        "bad_page",
        f"No item of the response has the id `{after[:80]}` given as `after`",
        hint="Give the `last_id` of the page before.",
    )


def _events(answer: dict[str, Any]) -> list[bytes]:
    """The stream that says a kept response, each event apart."""
    wire = wires.wire_named("responses")
    writer = wires.ResponsesStreamWriter()
    written = b"".join(map(writer.write, canonical.events_of(wire.read_answer(answer))))
    return [event + b"\n\n" for event in written.split(b"\n\n") if event]
