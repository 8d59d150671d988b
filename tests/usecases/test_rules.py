import pytest

from lineside.core import Invalid
from lineside.usecases import GateRule, parse_rule


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accuracy >= 0.85", {"threshold": 0.85, "comparator": ">="}),
        ("accuracy >= 85%", {"threshold": 0.85, "comparator": ">="}),
        ("polite ≤ .1", {"score": "polite", "threshold": 0.1, "comparator": "<="}),
        (
            "p95(latency_ms) <= 800",
            {"score": "latency_ms", "statistic": "p95", "comparator": "<=", "threshold": 800.0},
        ),
        (
            "latency_ms P99 <= 1200",
            {"score": "latency_ms", "statistic": "p99", "comparator": "<=", "threshold": 1200.0},
        ),
        ("not worse than live by 0.01", {"kind": "non_inferiority", "margin": 0.01}),
        (
            "Not worse than live by 1% on polite",
            {"kind": "non_inferiority", "margin": 0.01, "score": "polite"},
        ),
        (
            "slice gap(channel) <= 0.05",
            {"kind": "slice_gap", "slice": "channel", "comparator": "<=", "threshold": 0.05},
        ),
        (
            "slice gap ( channel ) <= 5 % on polite",
            {
                "kind": "slice_gap",
                "slice": "channel",
                "comparator": "<=",
                "threshold": 0.05,
                "score": "polite",
            },
        ),
    ],
)
def test_a_rule_reads_as_people_write_it(text: str, expected: dict[str, object]) -> None:
    fields = {"kind": "threshold", "text": text, **expected}
    assert parse_rule(text) == GateRule(**fields)  # type: ignore[arg-type] # a table of cases


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("accuracy > 0.85", "read `>`, expected `>=` or `<=`", "Did you mean `>=`?"),
        ("accuracy = 0.85", "read `=`, expected `>=` or `<=`", "A rule looks like"),
        ("accuracy >= high", "read `high`, expected a number", "A rule looks like"),
        ("accuracy >=", "read the end of the rule, expected a number", "A rule looks like"),
        ("accuracy >= 0.85 always", "read `always`, expected the end", "A rule looks like"),
        ("0.85 <= accuracy", "read `0.85`, expected the name of a score", "A rule looks like"),
        ("latency_ms p96 <= 800", "read `p96`, expected a percentile", "Did you mean `p9"),
        ("p85(latency_ms) <= 800", "read `p85`, expected a percentile", "Did you mean `p95`?"),
        ("not wrose than live by 0.01", "read `wrose`, expected `worse`", "Did you mean `worse`?"),
        ("not worse than life by 0.01", "read `life`, expected `live`", "Did you mean `live`?"),
        ("not worse than live by 0", "read `0`, expected a margin above 0", "A rule looks like"),
        ("slice gpa(channel) <= 0.05", "read `gpa`, expected `gap`", "Did you mean `gap`?"),
        ("slice gap channel <= 0.05", "read `channel`, expected `(`", "A rule looks like"),
        ("slice gap(channel) >= 0.05", "read `>=`, expected `<=`", "A rule looks like"),
        ("", "expected a rule", "A rule looks like"),
        ("x" * 300, "expected a rule of at most 200 characters", "A rule looks like"),
    ],
)
def test_a_bad_rule_says_the_word_and_what_was_expected(text: str, message: str, hint: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_rule(text)

    assert caught.value.code == "bad_gate_rule"
    assert message in caught.value.message
    assert hint in str(caught.value.hint)
