"""Judges by script, and what people say of the same answers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from evals.test_judges import script
from lineside.evals import (
    GateOutcome,
    Run,
    judge_gate,
)
from lineside.gateway import ModelReply
from lineside.gateway.scripted import ScriptedModel
from lineside.trust import Scope
from lineside.usecases import parse_rule

RunCases = Callable[..., Run]
CASES = 80
SCRIPTED = ScriptedModel.answer
OTHER = {"when": {"answer": "x"}, "fail": "nonsense"}


def judge_file(*lines: dict[str, Any]) -> dict[str, bytes]:
    """A judge that says yes unless the topic is `lost_card`."""
    wrong = {"when": {"answer": "lost_card"}, "output": {"reason": "Not that.", "level": "no"}}
    right = {"when": {"default": True}, "output": {"reason": "So it is.", "level": "yes"}}
    return {"judge.jsonl": script(*lines, wrong, right)}


def labels(count: int = CASES, *, no: int = 30, but: tuple[int, ...] = ()) -> list[dict[str, str]]:
    """Labels of the first cases: no for as many, yes for the others, the other way for `but`."""
    return [
        {"case": f"c{n}", "label": "no" if (n <= no) != (n in but) else "yes"}
        for n in range(1, count + 1)
    ]


def drawn(*chances: str) -> list[dict[str, str]]:
    """Labels of the first cases as a review exports them."""
    return [
        row | {"chance": chance} for row, chance in zip(labels(len(chances)), chances, strict=True)
    ]


def gate(scope: Scope, run: Run, rule: str, baseline: Run | None = None) -> GateOutcome:
    return judge_gate(scope, run, [parse_rule(rule)], baseline_run=baseline)


async def answer_as_judge_2(self: ScriptedModel, payload: Any, **more: Any) -> ModelReply:
    return replace(await SCRIPTED(self, payload, **more), model="judge-2")


GRADES = [{"bad": "Wrong."}, {"fair": "Near."}, {"good": "Right."}]


def grading(*fair: int) -> dict[str, bytes]:
    """A judge that says good unless the topic is `lost_card`, and fair of some that are not."""
    lines = [({"answer": "lost_card"}, "bad"), *(({"input": f"m{n}"}, "fair") for n in fair)]
    said = [{"when": when, "output": {"reason": "So.", "level": level}} for when, level in lines]
    good = {"when": {"default": True}, "output": {"reason": "So.", "level": "good"}}
    return {"judge.jsonl": script(*said, good)}
