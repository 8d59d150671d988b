"""Judges: what they say, what they cost, and what happens when they say nothing."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from evals.conftest import ScriptedTarget, rows
from evals.scoring import Declaration, context_of, scorer_of
from evals.test_runner import PROGRAM, start
from lineside.core import Invalid
from lineside.evals import results_of, summarise
from lineside.evals import scorer as scoring
from lineside.evals.judging import Judge
from lineside.evals.scorer import Score
from lineside.evals.scorers import build_scorers
from lineside.evals.scorers.judges import judge_digest
from lineside.evals.twins import Related
from lineside.store import Store
from lineside.trust import Scope

LEVELS = [{"rude": "It insults."}, {"plain": "Neither."}, {"polite": "It thanks or asks."}]


def script(*lines: dict[str, Any]) -> bytes:
    return b"\n".join(orjson.dumps(line) for line in lines)


def says(level: str, when: Any = None, **more: Any) -> dict[str, Any]:
    output = {"reason": f"It reads {level}.", "level": level}
    return {"when": when or {"default": True}, "output": output, **more}


def ask(kind: str, files: dict[str, bytes], context: Any = None, **arguments: Any) -> Score:
    arguments = {"field": "reply", "model": "scripted:judge.jsonl", **arguments}
    scorer = scorer_of(kind, files, **arguments)
    given = context or context_of({"reply": "Thanks!"}, {"reply": "thank you"})
    return asyncio.run(scorer.judge_awaited(given))


def rubric(*lines: dict[str, Any], **arguments: Any) -> Score:
    files = {"judge.jsonl": script(*lines)}
    return ask("judge", files, **{"rubric": "Is it polite?", "levels": LEVELS, **arguments})


def test_a_judge_puts_an_answer_on_a_level_and_says_why_and_what_it_took() -> None:
    score = rubric(
        says("rude"),
        says("plain", {"answer": "thank you"}, cost_usd=0.002, tokens_in=90, tokens_out=12),
    )

    assert (score.value, score.label, score.explanation) == (0.5, "plain", "It reads plain.")
    assert score.detail is not None
    assert score.detail["votes"][0]["reason"] == "It reads plain."
    told = {word: score.detail[word] for word in ("calls", "cost_usd", "tokens_in", "tokens_out")}
    assert told == {"calls": 1, "cost_usd": 0.002, "tokens_in": 90, "tokens_out": 12}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"when": {"default": True}, "fail": "nonsense"}, "output_misfit"),
        ({"when": {"default": True}, "fail": "unavailable"}, "model_down"),
        (says("plain", delay_ms=500), "no verdict within 0.05 s"),
    ],
)
def test_a_judge_without_a_verdict_is_a_failure_and_never_a_zero(line: Any, reason: str) -> None:
    score = rubric(line, timeout_s=0.05)
    assert score.value is None
    assert "1 of 1 verdicts are missing" in str(score.error)
    assert reason in str(score.error)


def test_a_jury_gives_the_mean_and_says_how_far_it_agrees() -> None:
    files = {
        "a.jsonl": script(says("polite")),
        "b.jsonl": script(says("polite")),
        "c.jsonl": script(says("rude")),
        "down.jsonl": script({"when": {"default": True}, "fail": "unavailable"}),
    }

    def jury(*names: str, repeats: int = 1) -> Score:
        models = [f"scripted:{name}.jsonl" for name in names]
        return ask(
            "judge", files, rubric="r", levels=LEVELS, model=None, models=models, repeats=repeats
        )

    three, most, few = jury("a", "b", "c", repeats=2), jury("a", "c", "down"), jury("a", "down")

    assert (three.value, three.label) == (pytest.approx(2 / 3), "polite")
    assert three.detail is not None
    assert three.detail["jury_agreement"] == pytest.approx(1 / 3)
    assert three.detail["self_agreement"] == 1
    assert most.value == 0.5
    assert (few.value, "model_down" in str(few.error)) == (None, True)


def test_a_jury_that_is_cut_off_says_what_it_took_until_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = {
        "quick.jsonl": script(says("polite", cost_usd=0.02)),
        "slow.jsonl": script(says("polite", cost_usd=0.03, delay_ms=60_000)),
    }
    monkeypatch.setattr(scoring, "SECONDS_MAX", 0.2)
    models = [f"scripted:{name}" for name in files]

    score = ask("judge", files, rubric="r", levels=LEVELS, model=None, models=models)

    assert (score.value, "no verdict within 0.2 s" in str(score.error)) == (None, True)
    assert score.detail is not None
    assert (score.detail["calls"], score.detail["cost_usd"]) == (1, 0.02)


def test_a_reference_is_shown_and_a_case_without_one_has_no_score() -> None:
    files = {
        "judge.jsonl": script(
            {"when": {"reference": "Thanks!"}, "output": {"reason": "Same.", "level": "agrees"}}
        )
    }
    assert ask("judge_reference", files).value == 1
    assert ask("judge_reference", files, context_of({}, {"reply": "x"})).value is None


def prefers(first: str, second: str) -> bytes:
    """A judge that gives one verdict when the answer stands first, another when it is second."""
    return script(
        {"when": {"first": "thank you"}, "output": {"reason": "1", "verdict": first}},
        {"when": {"second": "thank you"}, "output": {"reason": "2", "verdict": second}},
    )


@pytest.mark.parametrize(
    ("first", "second", "value", "label", "disagree"),
    [
        ("first", "second", 1, "better", 0),
        ("second", "first", 0, "worse", 0),
        ("first", "first", 0.5, "tie", 1),
        ("tie", "tie", 0.5, "tie", 0),
    ],
)
def test_a_pair_is_asked_in_both_orders_and_a_habit_of_place_is_a_tie(
    first: str, second: str, value: float, label: str, disagree: float
) -> None:
    score = ask("judge_pairwise", {"judge.jsonl": prefers(first, second)})
    assert score.detail is not None
    assert (score.value, score.label) == (value, label)
    assert (score.detail["orders_disagree"], score.detail["calls"]) == (disagree, 2)


def test_a_judge_is_known_by_its_models_prompt_levels_and_options() -> None:
    def digest(content: bytes = script(says("plain")), **arguments: Any) -> str | None:
        given = {"model": "scripted:j.jsonl", "rubric": "r", "levels": LEVELS, **arguments}
        return judge_digest(scorer_of("judge", {"j.jsonl": content}, **given).scorer)

    assert digest() == digest(repeats=3, usd_max=1.0, field="reply")
    others = [
        digest(script(says("rude"))),
        digest(rubric="other"),
        digest(levels=[*LEVELS[:2], {"polite": "It smiles."}]),
        digest(levels=LEVELS[::-1]),
    ]
    assert len({digest(), *others}) == 5
    assert judge_digest(scorer_of("exact").scorer) is None


def test_levels_must_be_different_and_at_least_two() -> None:
    with pytest.raises(Invalid, match="expected 2 to 10 different ones"):
        rubric(says("plain"), levels=[{"plain": "x"}])
    with pytest.raises(Invalid, match="names a model twice"):
        rubric(says("plain"), model=None, models=["scripted:judge.jsonl"] * 2)


def declared(**more: Any) -> Declaration:
    arguments = {
        "model": "scripted:judge.jsonl",
        "rubric": "Is it right?",
        "levels": [{"no": "It is wrong."}, {"yes": "It is right."}],
        "field": "topic",
        **more,
    }
    return Declaration("judge", "right", arguments)


def judge_file(**more: Any) -> dict[str, bytes]:
    output = {"reason": "So it is.", "level": "yes"}
    return {"judge.jsonl": script({"when": {"default": True}, "output": output, **more})}


def test_a_run_asks_its_judge_side_by_side_and_keeps_each_verdict(
    scope: Scope, run_cases: Callable[..., Any], target: ScriptedTarget
) -> None:
    files = judge_file(delay_ms=200, cost_usd=0.001, tokens_in=9, tokens_out=1)

    run = run_cases(rows(20), scorers=[declared()], scorer_files=files)

    results = results_of(scope, run.id)
    assert {(r.standing, r.scores["right"].value) for r in results} == {("fine", 1.0)}
    detail = results[0].scores["right"].detail
    assert detail is not None
    assert detail["votes"] == [
        {"juror": "scripted:judge.jsonl", "vote": "yes", "reason": "So it is."}
    ]
    # One after the other would take 4 s.
    assert (run.finished_at - run.started_at).total_seconds() < 3


def test_a_judge_stops_at_its_money_and_what_is_missing_says_so(
    scope: Scope, run_cases: Callable[..., Any], target: ScriptedTarget
) -> None:
    files = judge_file(cost_usd=0.5)
    run = run_cases(rows(40), scorers=[declared(usd_max=2)], scorer_files=files)

    scores = [result.scores["right"] for result in results_of(scope, run.id)]

    assert sum(score.value is not None for score in scores) == 4
    assert "2.0000 of 2 USD are spent (`usd_max`)" in str(
        next(score.error for score in scores if score.error)
    )


def test_a_run_says_what_its_judge_did_and_took(
    scope: Scope, run_cases: Callable[..., Any], target: ScriptedTarget
) -> None:
    target.answers = {"m1": "lost_card"}
    verdicts = [
        {"when": {"first": "refund"}, "output": {"reason": "a", "verdict": "first"}},
        {"when": {"first": "lost_card"}, "output": {"reason": "b", "verdict": "second"}},
    ]
    lines = [{**line, "cost_usd": 0.01, "tokens_in": 5, "tokens_out": 2} for line in verdicts]
    pair = Declaration("judge_pairwise", "beats", {"field": "topic", "model": "scripted:j.jsonl"})

    run = run_cases(rows(4), scorers=[pair], scorer_files={"j.jsonl": script(*lines)})

    said = summarise(scope, run).scores["beats"]
    assert said.interval is not None
    assert said.interval.value == 0.375
    assert said.judge is not None
    assert said.judge.model_dump(exclude={"judge_digest"}) == {
        "models": ["scripted:j.jsonl"],
        "judged": 4,
        "failed": 0,
        "calls": 8,
        "cost_usd": pytest.approx(0.08),
        "tokens_in": 40,
        "tokens_out": 16,
        "recalled": 0,
        "orders_disagree": 0.75,
        "self_agreement": None,
        "jury_agreement": None,
    }


def test_a_process_that_takes_a_run_over_counts_what_was_spent(
    scope: Scope, run_cases: Callable[..., Any], target: ScriptedTarget
) -> None:
    files = judge_file(cost_usd=0.25)
    run = run_cases(rows(6), scorers=[declared()], scorer_files=files)
    scorers = build_scorers([declared()], files=files)

    Judge(scope.store, run, scorers, [], Related({}, {})).recall_spending()

    assert scorers[0].jury.spent_usd == 1.5


AWAITED = (
    "import asyncio, os\n"
    "async def slow(context):\n"
    "    await asyncio.sleep(0.02)\n"
    "    file = os.open({log!r}, os.O_APPEND | os.O_CREAT | os.O_WRONLY)\n"
    "    os.write(file, (context.case_id + chr(10)).encode())\n"
    "    os.close(file)\n"
    "    return 1\n"
)


def test_after_kill_9_no_case_with_a_verdict_is_judged_again(
    store: Store, scope: Scope, tmp_path: Path
) -> None:
    program, log, verdicts = (tmp_path / name for name in ("p.py", "asked", "judged"))
    code = AWAITED.format(log=str(verdicts))
    program.write_text(
        PROGRAM.replace("0.02", "0")
        .replace(
            'subject="s",',
            f'subject="s", scorers=[Own()], scorer_files={{"j.py": {code.encode()!r}}},',
        )
        .replace(
            "class Target:",
            "class Own:\n    name, kind, arguments = 'right', 'python', {'function': 'j.py:slow'}\n"
            "\nclass Target:",
        )
    )

    first = start(store, program, log)
    deadline = time.monotonic() + 60
    while (not verdicts.exists() or verdicts.stat().st_size < 300) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    run_id = first.communicate(timeout=5)[0].split()[0]
    before = {result.case_id for result in results_of(scope, run_id, limit=1000)}
    lost = len(verdicts.read_text().split()) - len(before)

    output = start(store, program, log).communicate(timeout=60)[0].split()

    assert output[2:] == ["done", "400", "0"]
    judged = Counter(verdicts.read_text().split())
    assert len(judged) == 400
    assert sum(judged.values()) - 400 == lost
    assert before
    assert all(judged[case_id] == 1 for case_id in before)


def test_ones_own_function_may_wait_for_a_service(
    scope: Scope, run_cases: Callable[..., Any], target: ScriptedTarget
) -> None:
    file = (
        b"import asyncio\n"
        b"async def slow(context):\n"
        b"    await asyncio.sleep(0.1)\n"
        b"    return {'value': 1, 'detail': {'case': context.case_id}}\n"
    )
    own = Declaration("python", "slow", {"function": "slow.py:slow"})

    run = run_cases(rows(3), scorers=[own], scorer_files={"slow.py": file})

    results = results_of(scope, run.id)
    assert [r.scores["slow"].detail for r in results] == [{"case": f"c{n}"} for n in (1, 2, 3)]
