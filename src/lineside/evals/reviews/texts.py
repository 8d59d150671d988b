"""An answer as the text that raters read and mark passages in."""

from typing import Any

import orjson


def text_of(payload: Any) -> str:
    """A lone field by its value, several one below the other with their names."""
    if isinstance(payload, dict):
        if len(payload) == 1:
            return _plain(next(iter(payload.values())))
        return "\n".join(f"{name}: {_plain(value)}" for name, value in payload.items())
    return _plain(payload)


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()
