"""The real ragas, where it is installed; `test_wrapped.py` stands in for it elsewhere."""

import pytest

from evals.licences.labelled import CASES, RunCases
from evals.scoring import Declaration
from lineside.evals import summarise
from lineside.trust import Scope

pytest.importorskip("ragas", reason="ragas is not among the test extras: it brings 800 MB along")

OWN = b"""
from openai import AsyncOpenAI
from ragas.llms import llm_factory
from ragas.metrics.collections import ExactMatch, Faithfulness

client = AsyncOpenAI(base_url="http://127.0.0.1:9/v1", api_key="local", max_retries=0)
metric = Faithfulness(llm=llm_factory("play/small", client=client))


async def faithful(context):
    return await metric.ascore(context.input["message"], context.output["topic"], ["none"])


async def same(context):
    return await ExactMatch().ascore(
        reference=context.expected["topic"], response=context.output["topic"]
    )
"""


def test_a_metric_that_compares_decides_and_one_that_asks_needs_a_licence(
    scope: Scope, judge_run: RunCases
) -> None:
    declared = [
        Declaration("python", name, {"function": f"own.py:{name}"}) for name in ("same", "faithful")
    ]

    told = summarise(scope, judge_run({"own.py": OWN}, scorers=declared)).scores

    assert told["same"].judge is None
    assert told["same"].interval is not None
    # Nobody answers at that address: a failure with its reason, and no zero.
    assert told["faithful"].judge is not None
    assert told["faithful"].unscored is not None
    assert told["faithful"].unscored.answers == CASES
    assert told["faithful"].standing is not None
    assert "not licensed" in told["faithful"].standing.sentence
