from collections.abc import Callable

import pytest

from evals.conftest import ScriptedTarget, rows
from lineside.core import Invalid
from lineside.evals import Run, summarise
from lineside.trust import Scope


def test_a_run_in_a_few_numbers(
    run_cases: Callable[..., Run], target: ScriptedTarget, scope: Scope
) -> None:
    cases = rows(60)
    for number, case in enumerate(cases):
        case["slices"] = {"channel": "mail" if number < 20 else "chat"}
    target.answers |= {f"m{n}": "lost_card" for n in range(1, 11)}
    target.answers["m60"] = Invalid("output_misfit", "nonsense")

    summary = summarise(scope, run_cases(cases))

    accuracy = summary.scores["accuracy"]
    assert accuracy.interval is not None
    assert accuracy.interval.value == pytest.approx(49 / 59)
    assert (accuracy.unit, accuracy.missing) == ("%", 1)
    assert (summary.scores["latency_ms"].label, summary.scores["latency_ms"].unit) == (
        "latency",
        "ms",
    )
    assert summary.main_score == "accuracy"
    channels = summary.slices["channel"]
    assert {name: interval.n for name, interval in channels.items()} == {"mail": 20, "chat": 39}
    assert channels["mail"].value == 0.5
