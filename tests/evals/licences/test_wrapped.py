"""Metrics of other libraries that ask a model: judges like our own.

DeepEval and ragas are stood in for by modules of their name with classes of their shape, as they
are in DeepEval 4.3 and ragas 0.4.
"""

import sys
from types import ModuleType
from typing import Any

import pytest

from evals.conftest import rows
from evals.licences.labelled import CASES, RunCases, gate, labels
from evals.scoring import Declaration, context_of, scorer_of
from lineside.core import Invalid
from lineside.evals import licences, summarise
from lineside.evals.judge_summary import judge_summaries
from lineside.trust import Scope

DEEPEVAL = """
class BaseMetric:
    evaluation_model = model = score = reason = error = None

class GEval(BaseMetric):
    def __init__(self, name, criteria=None, evaluation_steps=None, model=None, threshold=0.5):
        self.criteria, self.evaluation_model = criteria, model or "gpt-4.1"

    async def a_measure(self, case):
        self.score = float(case.actual_output != "lost_card")

    def measure(self, case):
        self.score = float(case.actual_output != "lost_card")

class ExactMatchMetric(BaseMetric):
    def __init__(self, threshold=1, verbose_mode=False):
        pass

    def measure(self, case):
        self.score = float(case.actual_output == "refund")

class LLMTestCase:
    def __init__(self, input, actual_output):
        self.actual_output = actual_output
"""
RAGAS = """
class MetricResult:
    def __init__(self, value, reason=None):
        self.value, self.reason = value, reason

class InstructorLLM:
    def __init__(self, client, model):
        self.client, self.model = client, model

class Faithfulness:
    def __init__(self, llm, name="faithfulness"):
        self.llm = llm

    async def ascore(self, response):
        return MetricResult(float(response != "lost_card"))

class ExactMatch:
    def __init__(self, name="exact_match"):
        pass

    async def ascore(self, response):
        return MetricResult(float(response == "refund"))
"""
CRITERIA = """
from deepeval.metrics import ExactMatchMetric, GEval, LLMTestCase


def shown(context):
    return LLMTestCase(context.input["message"], context.output["topic"])


async def right(context):
    metric = GEval("right", criteria="Is the topic right?"{more})
    await metric.a_measure(shown(context))
    return metric


def same(context):
    metric = ExactMatchMetric()
    metric.measure(shown(context))
    return metric


def own(context):
    return float(context.output["topic"] != "lost_card")
"""
GIVEN = """
from openai import AsyncOpenAI
from ragas.metrics import ExactMatch, Faithfulness, InstructorLLM

llm = InstructorLLM(AsyncOpenAI(), "gpt-5-mini")
metrics = {"faithful": Faithfulness(llm), "same": ExactMatch()}


async def faithful(context):
    return await metrics["faithful"].ascore(context.output["topic"])


async def same(context):
    return await ExactMatch().ascore(context.output["topic"])
"""


@pytest.fixture(autouse=True)
def libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    client = ModuleType("openai")
    exec("class AsyncOpenAI: pass", client.__dict__)  # noqa: S102 # the stand-in of a client
    monkeypatch.setitem(sys.modules, "openai", client)
    for name, code in (("deepeval", DEEPEVAL), ("ragas", RAGAS)):
        package, metrics = ModuleType(name), ModuleType(f"{name}.metrics")
        exec(code, metrics.__dict__)  # noqa: S102 # the stand-in above
        package.metrics = metrics  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, package)
        monkeypatch.setitem(sys.modules, f"{name}.metrics", metrics)


def criteria(more: str = "") -> dict[str, bytes]:
    return {"own.py": CRITERIA.format(more=more).encode()}


def named(function: str, name: str = "right", **more: str) -> list[Declaration]:
    return [Declaration("python", name, {"function": f"own.py:{function}", **more})]


def test_a_metric_that_asks_a_model_decides_nothing_without_a_licence(
    scope: Scope, judge_run: RunCases
) -> None:
    run = judge_run(criteria(), scorers=named("right"))

    for rule in ("right >= 0.3", "right >= 0.9"):
        outcome = gate(scope, run, rule)
        assert outcome.verdict.decision == "more"
        assert "judge not licensed: nobody has held `right` against" in outcome.verdict.sentence
        assert "the judge alone said 62.5 %" in outcome.verdict.sentence
        assert f"lineside judges sample right --run {run.id}" in outcome.notes[0]
    told = summarise(scope, run).scores["right"]
    assert told.judge is not None
    assert (told.judge.models, told.judge.judged, told.judge.cost_usd) == (["gpt-4.1"], CASES, None)
    assert licences.answers_to_label(scope, "right", count=5).levels == []


def test_a_metric_that_asks_no_model_decides(scope: Scope, judge_run: RunCases) -> None:
    run = judge_run(criteria(), scorers=[*named("own", "own"), *named("same", "same")])

    assert judge_summaries(scope.store, run) == {}
    assert gate(scope, run, "same >= 0.3").verdict.decision == "ship"
    assert gate(scope, run, "own >= 0.9").verdict.decision == "hold"


def test_its_licence_ends_with_its_criteria_and_with_its_model(
    scope: Scope, judge_run: RunCases
) -> None:
    stated = named("right", model="gpt-4.1")
    run = judge_run(criteria(), scorers=stated)
    licences.licence_judge(scope, "right", labels(but=(31,)), run_id=run.id)
    again = judge_run(criteria(), scorers=stated, subject="b")
    for one in (run, again):
        assert gate(scope, one, "right >= 0.3").verdict.decision == "ship"

    for number, (files, scorers, said) in enumerate(
        [
            (criteria(', model="gpt-5"'), stated, "changed since"),
            ({"own.py": criteria()["own.py"].replace(b"Is the", b"Was the")}, stated, "changed"),
            (criteria(), named("right", model="gpt-5"), "changed since"),
        ]
    ):
        other = judge_run(files, scorers=scorers, subject=f"other-{number}")
        outcome = gate(scope, other, "right >= 0.3")
        assert outcome.verdict.decision == "more"
        assert said in outcome.verdict.sentence


def test_a_model_that_only_the_answer_names_ends_the_licence_too(
    scope: Scope, judge_run: RunCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = criteria(', model=__import__("os").environ["JUDGE"]')
    monkeypatch.setenv("JUDGE", "gpt-4.1")
    run = judge_run(files, scorers=named("right"))
    licences.licence_judge(scope, "right", labels(but=(31,)), run_id=run.id)
    monkeypatch.setenv("JUDGE", "gpt-5")

    outcome = gate(scope, judge_run(files, scorers=named("right"), subject="b"), "right >= 0.3")

    assert outcome.verdict.decision == "more"
    assert "`gpt-5` answered for `right`, its licence is for gpt-4.1" in outcome.verdict.sentence


FACTS = b"""
def right(context):
    from autoevals import Factuality
    Factuality(api_key="none")
    return float(context.output["topic"] != "lost_card")
"""


def test_a_judge_whose_model_nobody_knows_is_not_licensed_until_it_is_stated(
    scope: Scope, judge_run: RunCases
) -> None:
    pytest.importorskip("autoevals")
    run = judge_run({"own.py": FACTS}, scorers=named("right"))
    assert "judge not licensed" in gate(scope, run, "right >= 0.3").verdict.sentence

    with pytest.raises(Invalid, match="Nobody knows which model `right` asks") as caught:
        licences.licence_judge(scope, "right", labels(but=(31,)), run_id=run.id)
    assert "model: NAME" in caught.value.hint

    run = judge_run({"own.py": FACTS}, scorers=named("right", model="gpt-5-mini"))
    assert licences.licence_judge(scope, "right", labels(but=(31,)), run_id=run.id).is_granted


def test_what_asks_no_model_is_stated_and_not_believed_where_the_class_says_otherwise(
    scope: Scope, judge_run: RunCases
) -> None:
    unclear = b"import ragas\n\n\ndef right(context):\n    return bool(ragas) * 1.0\n"
    run = judge_run({"own.py": unclear}, scorers=named("right"))
    assert "judge not licensed" in gate(scope, run, "right >= 0.3").verdict.sentence
    run = judge_run({"own.py": unclear}, scorers=named("right", model="none"))
    assert gate(scope, run, "right >= 0.3").verdict.decision == "ship"

    with pytest.raises(Invalid, match=r"`model: none`, but `own.py:right` uses `GEval`"):
        judge_run(criteria(), scorers=named("right", model="none"))


@pytest.mark.parametrize(
    ("function", "model"), [("faithful", "gpt-5-mini"), ("same", None), ("hidden", "unknown")]
)
def test_metrics_of_ragas_are_found_wherever_they_stand(
    scope: Scope, judge_run: RunCases, function: str, model: str | None
) -> None:
    late = (
        "\n\nasync def hidden(context):\n"
        "    from importlib import import_module\n"
        "    found = getattr(import_module('ra' + 'gas.metrics'), 'Exact' + 'Match')\n"
        "    return await found().ascore(context.output['topic'])\n"
    )
    run = judge_run({"own.py": (GIVEN + late).encode()}, scorers=named(function), cases=rows(3))

    judges = judge_summaries(scope.store, run)
    assert (judges["right"].models or ["unknown"] if judges else [None]) == [model]


def test_the_score_of_an_unknown_library_is_taken_for_a_judges(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = ModuleType("othereval")
    exec("class Graded:\n    value = 0.5\n", other.__dict__)  # noqa: S102
    monkeypatch.setitem(sys.modules, "othereval", other)
    files = {"own.py": b"import othereval\n\n\ndef f(context):\n    return othereval.Graded()\n"}

    def details(**more: Any) -> dict[str, Any]:
        scorer = scorer_of("python", files, function="own.py:f", **more)
        return scorer.judge(context_of()).detail or {}

    assert details()["models"] == []
    assert details(model="gpt-5")["models"] == ["gpt-5"]
    assert details(model="none") == {}
