"""Whose a received span is: its use case, its workspace, and who may send it."""

import dataclasses

import pytest

from lineside.core import Denied
from lineside.traces import get_trace
from lineside.trust import Scope
from traces.otlp_messages import TRACE, attributes, kept, message, take


@pytest.fixture
def scope(apart: Scope) -> Scope:
    return apart


def limited_to(scope: Scope, *use_cases: str) -> Scope:
    return dataclasses.replace(scope, use_cases=frozenset(use_cases))


def test_spans_find_their_use_case(scope: Scope) -> None:
    own = attributes(lineside__usecase="triage")
    cases = {
        "1" * 32: (message({"traceId": "1" * 32, "attributes": own}), "triage"),
        "2" * 32: (message({"traceId": "2" * 32}, lineside__usecase="triage"), "triage"),
        "3" * 32: (message({"traceId": "3" * 32}, service__name="triage"), "triage"),
        "4" * 32: (message({"traceId": "4" * 32}, service__name="shop"), None),
        "5" * 32: (message({"traceId": "5" * 32}, lineside__usecase="unknown"), None),
    }
    for body, _ in cases.values():
        take(scope, body)

    assert {trace_id: kept(scope, trace_id).use_case for trace_id in cases} == {
        trace_id: use_case for trace_id, (_, use_case) in cases.items()
    }


def test_a_key_of_one_use_case_writes_there_and_nowhere_else(scope: Scope) -> None:
    shop = limited_to(scope, "shop")
    other = {"spanId": "c" * 16, "attributes": attributes(lineside__usecase="triage")}

    receipt = take(shop, message({}, other, service__name="triage"))

    assert (receipt.kept, receipt.refused) == (1, 1)
    assert "use case `triage`: the key is limited to shop" in receipt.why
    assert kept(scope).use_case == "shop"


def test_a_key_of_two_use_cases_leaves_nothing_unclaimed(scope: Scope) -> None:
    both = limited_to(scope, "shop", "triage")

    assert take(both, message(lineside__usecase="shop")).kept == 1
    receipt = take(both, message())

    assert receipt.refused == 1
    assert "no use case is named: the key is limited to shop, triage" in receipt.why


def test_sending_needs_its_own_right(scope: Scope) -> None:
    runner = dataclasses.replace(scope, rights=frozenset({"run", "read"}))

    with pytest.raises(Denied, match=r"lacks the right `ingest` \(send traces\)"):
        take(runner, message())
    assert get_trace(scope, TRACE) == []


def test_another_workspace_sees_nothing_of_it(scope: Scope) -> None:
    take(scope, message())

    assert get_trace(dataclasses.replace(scope, workspace="other"), TRACE) == []
