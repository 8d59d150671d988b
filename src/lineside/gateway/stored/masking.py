"""What is kept of a response without what the rules of its workspace name."""

import re
from typing import Any

from lineside.core import Invalid
from lineside.gateway.wires.wire import wire_named
from lineside.store import Store
from lineside.traces import privacy

# Words of the wire, and seals, in which digits only look like something to be masked.
_AS_IT_IS = {
    "type": re.compile(r"[a-z_.]{1,64}"),
    "role": re.compile(r"[a-z]{1,32}"),
    "status": re.compile(r"[a-z_]{1,32}"),
    "object": re.compile(r"[a-z_.]{1,32}"),
    "encrypted_content": re.compile(r"[A-Za-z0-9+/=_-]+"),
}


def masked(store: Store, workspace: str, words: dict[str, Any]) -> dict[str, Any] | None:
    """Input and answer as they may be kept; nothing where they could not be read any more then.

    Args:
        words: `input`, the items; `answer`, the response.
    """
    masker = privacy.masker_of(store, workspace)
    if masker is None:
        return words
    try:
        found = {name: masker.value(value) for name, value in words.items()}
        _put_back(words, found)
        found["answer"]["id"] = words["answer"]["id"]
        wire = wire_named("responses")
        wire.read_request({"model": "-", "input": found["input"]})
        wire.read_answer(found["answer"])
    except (Invalid, ValueError, TypeError):
        return None
    return found


def _put_back(words: Any, found: Any) -> None:
    if isinstance(words, dict) and isinstance(found, dict):
        for name, value in words.items():
            plain = _AS_IT_IS.get(name)
            if plain is not None and isinstance(value, str) and plain.fullmatch(value):
                found[name] = value
            elif name in found:
                _put_back(value, found[name])
    elif isinstance(words, list) and isinstance(found, list):
        for one, other in zip(words, found, strict=True):
            _put_back(one, other)
