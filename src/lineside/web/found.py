"""Passages that a search found, as a person reads them. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

PASSAGES_SHOWN_MAX = 50
_TEXTS = ("text", "content")
_IDS = ("id", "document")


class FoundPassage(NamedTuple):
    """A passage with the place it stands at.

    Attributes:
        place: File, page and heading, as far as they are known; else its id.
        scores: What it was ranked by, by name.
    """

    place: str
    text: str
    scores: dict[str, float]


def found_passages(value: Any) -> list[FoundPassage] | None:
    """What a search gave as passages, or nothing where it gave something else."""
    if not isinstance(value, list) or not value or len(value) > PASSAGES_SHOWN_MAX:
        return None
    found = [_found(item) for item in value if isinstance(item, Mapping)]
    passages = [passage for passage in found if passage is not None]
    return passages if len(passages) == len(value) else None


def gist(output: Any) -> Any:
    """What an answer says, without the passages it rests on."""
    is_grounded = isinstance(output, Mapping) and {"answer", "documents"} <= set(output)
    return output["answer"] if is_grounded else output


def _found(item: Mapping[str, Any]) -> FoundPassage | None:
    text = next((item[name] for name in _TEXTS if isinstance(item.get(name), str)), None)
    if text is None:
        return None
    page = f"page {item['page']}" if item.get("page") is not None else None
    named = [part for part in (item.get("source"), page, item.get("heading")) if part]
    ids = [item[name] for name in _IDS if item.get(name) is not None]
    scores = {
        name.replace("_", " "): float(value)
        for name, value in item.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and name != "page"
    }
    return FoundPassage(" · ".join(map(str, named or ids[:1])), text, scores)
