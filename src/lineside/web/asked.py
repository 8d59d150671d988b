"""What an address asks in vain: what its page does not know, and what it was asked before."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request

from lineside.core import did_you_mean

_LISTS = ("col",)
_NAMED_MAX = 5
_READ_CHARACTERS_MAX = 60


class Unknown(NamedTuple):
    """One name that was asked.

    Attributes:
        near: The nearest that the page knows, or nothing.
        address: Where that is asked in its place.
    """

    name: str
    near: str | None
    address: str | None


def unknown_in(request: Request, takes: Sequence[str]) -> list[Unknown]:
    """Names in the address of a page with a filter that the filter does not have."""
    asked = request.query_params.multi_items()
    found = list[Unknown]()
    for name in dict(asked):
        if name in takes or len(found) == _NAMED_MAX:
            continue
        near = did_you_mean(name[:_READ_CHARACTERS_MAX], takes)
        address = None
        if near:
            meant = [(near if one == name else one, value) for one, value in asked]
            address = f"{request.url.path}?{urlencode(meant)}"
        found.append(Unknown(name[:_READ_CHARACTERS_MAX], near, address))
    return found


class Repeated(NamedTuple):
    """One name that was asked several times, of which the last counts.

    Attributes:
        counts: What was asked last.
    """

    name: str
    counts: str


def repeated_in(request: Request, takes: Sequence[str]) -> list[Repeated]:
    """What the filter of a page takes once, and the address gives more than once."""
    asked = request.query_params
    return [
        Repeated(name, asked[name][:_READ_CHARACTERS_MAX])
        for name in takes
        if name not in _LISTS and len(asked.getlist(name)) > 1
    ][:_NAMED_MAX]
