"""`lineside.evaluate(…)` within limits: what was judged stays, and the verdict says why."""

from pathlib import Path

import pytest

import lineside
from lineside.core import Invalid, Settings
from lineside.evals import list_runs
from lineside.gateway import ModelReply
from lineside.store import open_store
from lineside.trust import local_scope

ROWS = [{"input": f"money {number}", "expected": "refund"} for number in range(200)]
RIGHT = ModelReply({"value": "refund"}, "m", tokens_in=8, tokens_out=2, cost_usd=0.01)
GATE = ["accuracy >= 0.80"]


@pytest.fixture(autouse=True)
def home(made_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LINESIDE_HOME", str(made_home))
    return made_home


def answers(message: str) -> ModelReply:
    return RIGHT


@pytest.mark.parametrize(
    ("limit", "code", "judged"),
    [
        ({"max_cost": 0.1}, "limit:cost_usd", 10),
        ({"max_tokens": 120}, "limit:tokens", 12),
        ({"max_seconds": 1e-9}, "limit:seconds", 0),
    ],
)
def test_a_limit_ends_the_run_and_what_was_judged_stays(
    tmp_path: Path, limit: dict[str, float], code: str, judged: int
) -> None:
    found = lineside.evaluate(answers, ROWS, gate=GATE, concurrency=1, **limit)

    assert (found.run.status, found.run.cases_done) == ("stopped", judged)
    assert found.run.failures[code].cases == 200 - judged
    assert found.verdict.decision == "more"
    assert f"the run stopped after {judged} of 200 cases" in found.verdict.sentence
    assert found.table().num_rows == len(found.cases) == judged
    found.save(tmp_path / "verdict.html")
    with pytest.raises(lineside.sdk.evaluation.VerdictError, match="larger limit"):
        found.check()


def test_a_larger_limit_goes_on_where_the_same_version_ended() -> None:
    asked: list[str] = []

    def counts(message: str) -> ModelReply:
        asked.append(message)
        return RIGHT

    lineside.evaluate(counts, ROWS, version="1", max_cost=0.2, concurrency=1)
    whole = lineside.evaluate(counts, ROWS, version="1", max_cost=1.8, concurrency=1)
    afresh = lineside.evaluate(counts, ROWS[:5], version="1", fresh=True)

    assert (whole.run.status, whole.run.spent.recalled, whole.run.cases_done) == ("done", 20, 200)
    assert (afresh.run.spent.recalled, len(asked)) == (0, 205)


def test_a_baseline_that_a_limit_ended_never_lets_a_comparison_ship() -> None:
    def dear(message: str) -> ModelReply:
        return ModelReply({"value": "refund"}, "m", cost_usd=0.04)

    gate = ["accuracy >= 0.80", "not worse than live by 0.1"]
    some, none = (
        lineside.evaluate(answers, ROWS, gate=gate, baseline=dear, concurrency=1, **limit)
        for limit in ({"max_cost": 3}, {"max_cost": 3, "max_seconds": 1e-9})
    )

    assert some.verdict.decision == "more"
    assert "cannot be compared with live" in some.verdict.sentence
    assert "the run stopped after 75 of 200 cases: 3 of 3 USD" in some.verdict.sentence
    assert some.report.comparison.difference.cases == 75
    assert (none.report.comparison, none.verdict.decision) == (None, "more")


def test_a_run_may_end_when_its_rules_are_settled() -> None:
    found = lineside.evaluate(
        answers,
        ROWS,
        gate=[*GATE, "not worse than live by 0.05"],
        baseline=lambda _: "delivery",
        early_stop=True,
        repetitions=2,
    )

    assert found.check().run.is_settled
    assert found.run.cases_done < 400
    assert found.verdict.findings[1].cases == found.run.cases_done // 2


def test_a_dry_run_says_what_it_would_take_and_keeps_nothing(home: Path) -> None:
    lineside.evaluate(answers, ROWS[:20], version="1")

    found = lineside.evaluate(
        answers, ROWS, version="1", baseline=lambda _: "refund", max_cost=1, dry_run=True
    )

    assert (found.answers, found.recalled, found.concurrency) == (400, 20, 8)
    assert found.cost_usd == pytest.approx(3.8)
    assert found.tokens == 3800
    assert found.exceeds == ["cost_usd_max"]
    store = open_store(Settings(home=home))
    runs = list_runs(local_scope(store))
    store.close()
    assert len(runs) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"early_stop": True}, "`early_stop` needs at least one rule"),
        ({"max_cost": 0}, "`cost_usd_max` is 0, expected more than 0"),
        ({"concurrency": 1001}, "`concurrency_max` is 1,001"),
    ],
)
def test_a_limit_that_cannot_be_one_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        lineside.evaluate(answers, ROWS, **options)
