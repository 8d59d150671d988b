"""`lineside.evaluate(…)`: a function of one's own, and a verdict on it."""

import asyncio
import sys
import threading
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import lineside
from evals.junit_shape import read_junit
from lineside.core import Invalid, Settings
from lineside.evals import ScorerContext, get_run
from lineside.store import open_store
from lineside.trust import local_scope

ROWS = [
    {
        "id": f"{word}-{number}",
        "input": f"{word} {number}",
        "expected": topic,
        "slices": {"w": word},
    }
    for number in range(20)
    for word, topic in (("money", "refund"), ("parcel", "delivery"))
]


@pytest.fixture(autouse=True)
def home(made_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LINESIDE_HOME", str(made_home))
    return made_home


def by_word(message: str) -> str:
    return "refund" if "money" in message else "delivery"


def always_refund(message: str) -> str:
    return "refund"


def test_a_function_is_held_against_rules_and_another_function(home: Path) -> None:
    found = lineside.evaluate(
        by_word,
        ROWS,
        {"accuracy": "exact", "is_short": lambda context: len(context.output["value"]) < 8},
        gate=["accuracy >= 0.80", "not worse than live by 0.02"],
        baseline=always_refund,
    )

    assert found.check().verdict.decision == "ship"
    assert str(found).startswith(found.verdict.sentence), "what `print` shows is for people"
    assert repr(found) == f"<Evaluation {found.run.id}: {found.verdict.sentence}>"
    assert found.scores["accuracy"].interval.value == 1.0
    assert found.scores["is_short"].interval.value == 0.5
    assert found.report.comparison.difference.value == 0.5
    store = open_store(Settings(home=home))
    kept = get_run(local_scope(store), found.run.id)
    store.close()
    assert (kept.use_case, kept.cases_done, kept.status) == ("by_word", 40, "done")


def test_a_rule_that_compares_needs_something_to_compare_with() -> None:
    with pytest.raises(Invalid, match="needs a run to compare with"):
        lineside.evaluate(by_word, ROWS, gate=["not worse than live by 0.02"])


def test_a_rule_about_no_score_is_refused_before_anything_is_asked() -> None:
    asked = []

    def answer(message: str) -> str:
        asked.append(message)
        return "refund"

    with pytest.raises(Invalid, match=r"read the score `polite` in `polite >= 0\.8`"):
        lineside.evaluate(answer, ROWS, gate=["polite >= 0.8"], baseline=answer)
    with pytest.raises(Invalid, match="expected a number from 0 to 1"):
        lineside.evaluate(answer, ROWS, gate=["accuracy >= 80"])
    assert asked == []


def test_a_verdict_that_does_not_ship_says_what_each_rule_found() -> None:
    found = lineside.evaluate(always_refund, ROWS, gate=["accuracy >= 0.80"])

    with pytest.raises(AssertionError, match=r"Hold: accuracy is 50\.0 %(.|\n)*●(.|\n)*✗ hold"):
        found.check()


def test_what_raises_is_a_failed_case_and_never_a_zero() -> None:
    async def fails(asked: dict[str, Any]) -> dict[str, Any]:
        if asked["n"] == 3:
            raise ValueError("no idea")
        return {"sum": asked["n"] + 1}

    def broken(context: ScorerContext) -> float:
        return 1 / 0

    rows = [{"input": {"n": n}, "expected": {"sum": n + 1}} for n in range(30)]
    found = lineside.evaluate(fails, rows, ["exact", broken])

    assert found.run.failures["error:ValueError"].message == "no idea"
    assert found.scores["exact"].interval.value == 1.0
    assert found.scores["exact"].missing == 1
    assert found.scores["broken"].interval is None
    table = found.table().to_pylist()
    assert [row["error_code"] for row in table if row["exact"] is None] == ["error:ValueError"]
    assert table[3]["input"] == '{"n":3}'
    assert found.verdict.decision == "more"


def test_a_scorer_may_be_async_as_those_of_other_libraries_are() -> None:
    async def polite(context: ScorerContext) -> float:
        await asyncio.sleep(0)
        return 1.0

    found = lineside.evaluate(always_refund, ROWS, [polite])

    assert found.scores["polite"].missing == 0
    assert found.scores["polite"].interval.value == 1.0


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A library with one metric that compares and one that asks a model."""
    library = ModuleType("autoevals")

    class Score:
        score, error = 1.0, None

    class Levenshtein:
        def eval(self) -> Score:
            return Score()

    class Factuality:
        def __init__(self, model: str = "gpt-5-mini") -> None:
            self.model = model

        def eval(self) -> Score:
            return Score()

    for one in (Score, Levenshtein, Factuality):
        one.__module__ = "autoevals"
        setattr(library, one.__name__, one)
    monkeypatch.setitem(sys.modules, "autoevals", library)
    return library


def test_a_metric_handed_over_is_a_judge_where_it_asks_a_model_and_only_there(
    metrics: Any,
) -> None:
    compares, asks = metrics.Levenshtein, metrics.Factuality

    def near(context: Any) -> Any:
        return compares().eval()

    def factual(context: Any) -> float:
        return float(asks().eval().score)

    found = lineside.evaluate(
        by_word, ROWS, {"near": near, "factual": factual}, gate=["near >= 0.5"]
    )
    leaning = lineside.evaluate(
        by_word, ROWS, {"near": near, "factual": factual}, gate=["factual >= 0.5"]
    )

    assert found.verdict.decision == "ship"
    assert leaning.verdict.decision == "more"
    assert "judge not licensed" in leaning.verdict.sentence


def test_the_same_version_is_not_asked_again() -> None:
    asked: list[str] = []

    def counts(message: str) -> str:
        asked.append(message)
        return by_word(message)

    first, again, other = (
        lineside.evaluate(counts, ROWS, version=version) for version in ("1", "1", "2")
    )

    assert first.run.id == again.run.id != other.run.id
    assert len(asked) == 2 * len(ROWS)


async def test_a_notebook_shows_the_verdict_though_its_loop_is_running() -> None:
    word = ContextVar("word", default="nothing")
    word.set("money")

    def in_context(message: str) -> str:
        return "refund" if word.get() in message else "delivery"

    found = lineside.evaluate(in_context, ROWS, gate=["accuracy >= 0.80"])

    shown = found._repr_html_()
    assert "accuracy is 100.0 %" in shown
    assert "<svg" in shown
    assert "<code>accuracy &gt;= 0.80</code>" in found.verdict._repr_html_()


def test_threads_that_judge_at_once_keep_apart() -> None:
    found: dict[str, float] = {}

    def judge(answer: str) -> None:
        found[answer] = (
            lineside.evaluate(lambda _: answer, ROWS, name="t").scores["accuracy"].interval.value
        )

    threads = [threading.Thread(target=judge, args=(word,)) for word in ("refund", "nothing")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {"refund": 0.5, "nothing": 0.0}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"input": "a"}, {"input": {"b": 1}}], "Some inputs are objects and others plain"),
        ([{"input": {"a": object()}}], "Row 1 cannot be kept as JSON"),
        ([{"question": "a"}], "`question` is not known"),
        ([], "holds no cases"),
    ],
)
def test_rows_that_cannot_be_used_are_refused_by_name(rows: list[Any], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        lineside.evaluate(by_word, rows)


def test_reports_hold_what_comes_from_outside_as_text_only(tmp_path: Path) -> None:
    nasty = "</script><b>|`x` @here\n\x07 ~~no~~ [a](http://b)"
    rows = [{"id": f"c{n}", "input": nasty, "expected": "good"} for n in range(3)]
    found = lineside.evaluate(lambda asked: asked, rows, name="<i>&", gate=["accuracy >= 0.5"])
    for suffix in ("html", "md", "xml", "json"):
        found.save(tmp_path / f"verdict.{suffix}")

    page = (tmp_path / "verdict.html").read_text()
    comment = (tmp_path / "verdict.md").read_text()
    assert "&lt;/script&gt;&lt;b&gt;" in page
    assert "<i>" not in page + found._repr_html_()
    assert r"\</script\>\<b\>\|\`x\` @" in comment
    assert "@here" not in comment
    [suite] = read_junit((tmp_path / "verdict.xml").read_text())
    assert suite.attrib["name"] == "<i>&"
    with pytest.raises(Invalid, match=r"expected \.html"):
        found.save(tmp_path / "verdict.pdf")


def test_scorers_are_written_as_short_as_in_a_manifest(home: Path) -> None:
    scorers = {"right": {"exact": "value"}, "like": {"token_f1": "value"}, "same": {"exact": None}}

    found = lineside.evaluate(by_word, ROWS, scorers)

    assert found.table().select(["right", "like", "same"]).to_pylist()[0] == {
        "right": 1.0,
        "like": 1.0,
        "same": 1.0,
    }
