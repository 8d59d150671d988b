"""A scope with every right, schemas of a small app, and datasets read from rows."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from lineside.core import SYSTEM, Actor
from lineside.evals import Run, keep_dataset, read_dataset, register_runner, start_run
from lineside.evals.dataset import Dataset
from lineside.evals.running import wait_for
from lineside.gateway import ModelReply
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


class ScriptedTarget:
    """Answers `topic: refund` to all, unless the message's answer is scripted."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.model = "scripted"
        self.asked: list[str] = []
        self.is_closed = False

    async def __call__(self, payload: Mapping[str, Any]) -> ModelReply:
        message = payload["message"]
        self.asked.append(message)
        answer = self.answers.get(message, self.answers.get("*", "refund"))
        if isinstance(answer, list):
            answer = answer.pop(0) if answer else "refund"
        if isinstance(answer, Exception):
            raise answer
        return ModelReply(
            output=answer if isinstance(answer, dict) else {"topic": answer, "confidence": 0.9},
            model=self.model,
            confidence=0.9,
            tokens_in=7,
            tokens_out=3,
            cost_usd=0.001,
        )

    async def close(self) -> None:
        self.is_closed = True


def rows(count: int, **more: Any) -> list[dict[str, Any]]:
    """Cases `c1` to `c<count>` with messages `m1` and so on, each expecting `refund`."""
    return [
        {"id": f"c{n}", "input": {"message": f"m{n}"}, "expected": {"topic": "refund"}, **more}
        for n in range(1, count + 1)
    ]


@pytest.fixture
def target(store: Store) -> ScriptedTarget:
    """The target of every run in the store; its answers may be changed between runs."""
    scripted = ScriptedTarget({})
    register_runner(store, lambda _run: scripted)
    return scripted


@pytest.fixture
def run_cases(scope: Scope, read: Callable[..., Dataset]) -> Callable[..., Run]:
    """Has cases judged and waits for the end of the run."""

    def run(cases: list[dict[str, Any]], *, subject: str = "candidate", **more: Any) -> Run:
        kept = keep_dataset(scope, "triage", read(cases))
        started = start_run(scope, use_case="triage", subject=subject, dataset=kept, **more)
        ended = wait_for(scope, started)
        return started if started.is_reused else ended

    return run


@pytest.fixture
def rater(scope: Scope) -> Callable[[str], Scope]:
    """People who may do nothing but rate."""

    def of(name: str) -> Scope:
        actor = Actor(kind="person", id=f"mem_{name}", name=name)
        return replace(scope, actor=actor, rights=frozenset({"review"}))

    return of
