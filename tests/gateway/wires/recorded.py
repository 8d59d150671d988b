"""The recorded traffic of fourteen providers that the wires are tested on.

It stands beside the checkout, in a folder named `shared`, or where `LINESIDE_SHARED` says.
"""

import gzip
import os
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
import pytest

_NAME = "gateway_cassettes/interactions.jsonl.gz"


class Recorded(NamedTuple):
    """One exchange over HTTP; the wire is nothing for what is no call of a model."""

    at: int
    wire: str | None
    host: str
    path: str
    status: int
    request: dict[str, Any] | None
    response: Any

    @property
    def is_stream(self) -> bool:
        return isinstance(self.response, str) and not self.response.startswith(("{", "["))

    @property
    def reply(self) -> dict[str, Any]:
        raw = self.response
        return orjson.loads(raw) if isinstance(raw, str) else raw


def recorded(wire: str) -> list[Recorded]:
    """The calls of a model by that wire."""
    return [row for row in everything() if row.wire == wire]


@cache
def everything() -> list[Recorded]:
    """All there is; the test is skipped where the data are not there."""
    roots = [Path(value) for value in [os.environ.get("LINESIDE_SHARED")] if value]
    roots.append(Path(__file__).parents[4] / "shared")
    file = next((root / "data" / _NAME for root in roots if (root / "data" / _NAME).exists()), None)
    if file is None:
        pytest.skip(f"No recorded calls {_NAME!r}: set LINESIDE_SHARED to the folder with `data`")
    with gzip.open(file) as lines:
        return [_row(at, orjson.loads(line)) for at, line in enumerate(lines)]


def _row(at: int, raw: dict[str, Any]) -> Recorded:
    parts = urlsplit(raw["uri"])
    asked = raw["request"]
    if isinstance(asked, str):
        asked = orjson.loads(asked) if asked.startswith("{") else None
    wire = _wire(parts.path) if raw["method"].upper() == "POST" else None
    return Recorded(at, wire, parts.netloc, parts.path, raw["status"], asked, raw["response"])


def _wire(path: str) -> str | None:
    ends = {
        "/chat/completions": "chat",
        "/v1/responses": "responses",
        "/v1/messages": "messages",
        ":generateContent": "gemini",
        ":streamGenerateContent": "gemini",
        "/v1/embeddings": "embeddings",
    }
    return next((wire for end, wire in ends.items() if path.endswith(end)), None)
