"""What a caller says of a call beside it, `metadata`: kept with its trace, and found by it.

It reaches no model of a use case, so no guard judges it. But where guards of the input mask or
refuse what they find in words, it is not kept in clear either.
"""

from collections.abc import Mapping
from typing import Any

from lineside.apps.people_kept import OF_NOBODY_KNOWS
from lineside.gateway import canonical
from lineside.guardrails import GuardChain

PAIRS_MAX = 16
NAME_CHARACTERS_MAX = 64
VALUE_CHARACTERS_MAX = 512
"""What OpenAI lets a caller say; the other wires name no limits."""

_USER = "user_id"


def user_of(request: canonical.ModelRequest) -> str | None:
    """Whom a request says it is for, by whichever field of its wire."""
    if request.user:
        return request.user
    said = request.extras.get("safety_identifier")
    if request.wire == "messages":
        said = _said(request).get(_USER)
    return said if isinstance(said, str) and said else None


def metadata_of(request: canonical.ModelRequest) -> tuple[dict[str, Any], bool]:
    """What a request says beside, as far as it is kept, and whether it says more than that.

    The names and values of others may be anything; what is too long, too much, or has parts of its
    own, is left out, and the call is answered all the same.
    """
    said = {
        name: value
        for name, value in _said(request).items()
        if (request.wire, name) != ("messages", _USER)
    }
    fitting = [(name, value) for name, value in said.items() if _fits(name, value)][:PAIRS_MAX]
    return dict(fitting), len(fitting) < len(said)


def metadata_kept(chain: GuardChain | None, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a step that say it: `metadata.NAME`, found by `attribute.metadata.NAME`.

    Args:
        chain: The guards of the call; where nobody knows them, all that is personal counts.
    """
    masked = metadata_masked(chain, metadata)
    return {f"metadata.{name}": value for name, value in masked.items()}


def metadata_masked(chain: GuardChain | None, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The same by its own names."""
    found = (OF_NOBODY_KNOWS if chain is None else chain).kind_in

    def masked(value: Any) -> Any:
        kind = found(value) if isinstance(value, str) else None
        return value if kind is None else f"[masked:{kind}]"

    return {masked(name): masked(value) for name, value in metadata.items()}


def _said(request: canonical.ModelRequest) -> Mapping[str, Any]:
    metadata = request.extras.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _fits(name: str, value: Any) -> bool:
    is_named = 0 < len(name) <= NAME_CHARACTERS_MAX
    is_short = not isinstance(value, str) or len(value) <= VALUE_CHARACTERS_MAX
    return is_named and is_short and isinstance(value, str | bool | int | float)
