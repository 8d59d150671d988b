"""Ship, hold or more, over several rules."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineside.core import Invalid
from lineside.stats import Finding, judge_threshold, verdict


def yes(count: int, of: int) -> list[int]:
    return [1] * count + [0] * (of - count)


def rule(label: str, right: int, of: int, threshold: float = 0.85, **options) -> Finding:
    words = {"rule": f"{label} >= {threshold}", "label": label, "unit": "%"}
    return judge_threshold(yes(right, of), threshold, ">=", **words, **options)


def test_one_rule_ships_in_one_sentence() -> None:
    answer = verdict([rule("accuracy", 280, 300)])

    assert (answer.decision, answer.cases_needed) == ("ship", 0)
    assert answer.sentence == (
        "Ship: accuracy is 93.3 % (95 % interval 89.9 to 95.6), above the 85 % asked for"
    )


def test_all_rules_must_pass_and_the_closest_call_is_named() -> None:
    answer = verdict([rule("accuracy", 290, 300), rule("recall", 273, 300)])

    assert answer.decision == "ship"
    assert answer.sentence.startswith("Ship: all 2 rules pass; the closest call: recall is 91.0 %")


def test_one_failing_rule_holds_whatever_the_others_say() -> None:
    answer = verdict([rule("accuracy", 290, 300), rule("recall", 200, 300), rule("f1", 86, 100)])

    assert answer.decision == "hold"
    assert answer.sentence.startswith("Hold: recall is 66.7 %")


def test_every_failing_rule_is_named() -> None:
    answer = verdict([rule("recall", 200, 300), rule("accuracy", 100, 300)])

    assert answer.sentence.startswith("Hold: accuracy is 33.3 %")
    assert answer.sentence.endswith("; also failing: `recall >= 0.85`")


def test_the_rule_that_needs_most_cases_decides_how_many_more() -> None:
    near, far = rule("accuracy", 87, 100), rule("recall", 90, 100)

    answer = verdict([far, near])

    assert answer.decision == "more"
    assert answer.cases_needed == near.cases_needed > far.cases_needed
    assert answer.sentence.startswith("Not enough data: accuracy is 87.0 %")


def test_a_rule_that_no_affordable_number_settles_is_said_so() -> None:
    answer = verdict([rule("recall", 90, 100), rule("accuracy", 85, 100)])

    assert (answer.decision, answer.cases_needed) == ("more", None)
    assert answer.sentence.endswith("no affordable number of cases would settle it")


def test_no_rule_never_ships() -> None:
    answer = verdict([])

    assert (answer.decision, answer.sentence) == ("more", "Not enough data: no rule was set")


def test_one_failure_by_luck_among_many_rules_does_not_hold() -> None:
    """77 of 100 misses 85 % alone (p 0.0125); among six rules that is luck."""
    unlucky = rule("accuracy", 77, 100)
    others = [rule(f"rule {at}", 290, 300) for at in range(5)]

    alone, among = verdict([unlucky]), verdict([unlucky, *others])

    assert (alone.decision, among.decision) == ("hold", "more")
    assert "not yet sure with 6 rules judged at once" in among.sentence
    assert among.cases_needed > 0


def test_failed_cases_lead_to_not_enough_data() -> None:
    answer = verdict([rule("accuracy", 0, 0, failed=300)])

    assert (answer.decision, answer.cases_needed) == ("more", None)
    assert answer.sentence == (
        "Not enough data: accuracy is unknown: no case was scored; 300 cases failed"
    )


def test_findings_at_another_confidence_are_refused() -> None:
    with pytest.raises(Invalid) as caught:
        verdict([rule("accuracy", 280, 300, confidence=0.9)])

    assert caught.value.code == "mixed_confidence"
    assert verdict([rule("accuracy", 280, 300, confidence=0.9)], confidence=0.9).decision == "ship"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 9)), min_size=1, max_size=5
    )
)
def test_the_verdict_never_ships_what_a_rule_does_not(counts) -> None:
    findings = [
        rule(f"rule {at}", right, right + wrong, 0.7, failed=failed)
        for at, (right, wrong, failed) in enumerate(counts)
    ]

    answer = verdict(findings)

    decisions = {finding.decision for finding in findings}
    assert (answer.decision == "ship") == (decisions == {"ship"})
    assert answer.decision != "hold" or "hold" in decisions
    if len(findings) == 1:
        assert {answer.decision} == decisions
    assert "\n" not in answer.sentence
    assert not answer.sentence.endswith(".")


def test_rates_on_their_thresholds_ship_and_hold_as_rarely_as_promised() -> None:
    """Five rules, each true rate exactly at its threshold: holding is the false alarm."""
    rng = np.random.default_rng(8)
    holds, ships, rounds = 0, 0, 400
    for _ in range(rounds):
        counts = rng.binomial(300, 0.8, 5)
        answer = verdict([rule(f"r{at}", int(x), 300, 0.8) for at, x in enumerate(counts)])
        holds += answer.decision == "hold"
        ships += answer.decision == "ship"

    assert holds / rounds <= 0.04
    assert ships == 0


def test_a_verdict_is_plain_data() -> None:
    answer = verdict([rule("accuracy", 0, 0, failed=3), rule("recall", 9, 10)])

    assert json.loads(json.dumps(dataclasses.asdict(answer), allow_nan=False))["decision"] == "more"


def test_the_front_door_and_the_server_open_without_numpy_and_scipy() -> None:
    # A server has 14 MiB more memory with them, and one that only answers calls needs neither.
    code = "import sys, lineside.stats, lineside.server\n"
    code += "print(sorted({'numpy', 'scipy'} & set(sys.modules)))"

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert shown.stdout.strip() == "[]"
