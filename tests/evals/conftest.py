"""A scope with every right, schemas of a small app, and datasets read from rows."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from lineside.core import SYSTEM
from lineside.evals.dataset import Dataset
from lineside.evals.reading import read_dataset
from lineside.store import Store
from lineside.trust import Scope

INPUT = {
    "type": "object",
    "properties": {"message": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["message"],
    "additionalProperties": False,
}
OUTPUT = {
    "type": "object",
    "properties": {
        "topic": {"enum": ["card_arrival", "refund", "lost_card"]},
        "confidence": {"type": "number"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["topic", "confidence"],
    "additionalProperties": False,
}


@pytest.fixture
def read() -> Callable[..., Dataset]:
    """Reads a dataset of the small app from bytes, text, a path, or rows to write as JSONL."""

    def read_content(content: Any, name: str = "golden.jsonl", bytes_max: int = 10**7) -> Dataset:
        if isinstance(content, list):
            content = b"".join(orjson.dumps(row) + b"\n" for row in content)
        return read_dataset(
            name,
            content.encode() if isinstance(content, str) else content,
            input_schema=INPUT,
            output_schema=OUTPUT,
            bytes_max=bytes_max,
        )

    return read_content


@pytest.fixture
def scope(store: Store) -> Scope:
    rights = frozenset({"read", "run", "test", "release", "deploy", "keys", "feedback"})
    return Scope(store=store, workspace="main", actor=SYSTEM, rights=rights)
