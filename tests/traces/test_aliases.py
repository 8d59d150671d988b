"""Ids of users and sessions that hold personal data: kept as aliases, told apart, found, erased."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from lineside.core import now
from lineside.traces import (
    Span,
    conventions,
    get_trace,
    imports,
    privacy,
    receive,
    record_spans,
    rewriting,
    search,
)
from lineside.traces import scores as scoring
from lineside.traces import sessions as people
from lineside.traces.conventions.people import SESSIONS, USERS
from lineside.traces.scores.record import TraceScore
from lineside.traces.span import new_span_id, new_trace_id
from lineside.trust import Scope, members
from traces.imported import Write
from traces.otlp_messages import TRACE, message, protobuf, take
from traces.test_imports_said import langfuse_score, langfuse_trace

ANNA, BERT = "anna@example.com", "bert@example.com"
ALIAS = re.compile(r"\[masked:email:[0-9a-f]{16}\]")


def step(**values: Any) -> Span:
    usual = {"trace_id": new_trace_id(), "span_id": new_span_id(), "name": "ask", "kind": "app"}
    return Span(**(usual | {"started_at": now(), "duration_ms": 5.0} | values))


def keep(scope: Scope, **values: Any) -> str:
    span = step(**values)
    record_spans(scope, [span]).result()
    scope.store.flusher.flush()
    return span.trace_id


def test_people_are_told_apart_and_nobody_is_named(scope: Scope) -> None:
    keep(scope, user_id=ANNA, session_id="before the rule")
    privacy.mask(scope, "email")
    for user in (ANNA, BERT, ANNA, "u-17"):
        keep(scope, user_id=user, session_id=f"chat of {user}")

    found = {one.id: one.totals.traces for one in people.list_users(scope).users}
    of_anna = people.get_user(scope, ANNA).id
    of_bert = people.get_user(scope, BERT).id
    assert found == {ANNA: 1, of_anna: 2, of_bert: 1, "u-17": 1}
    assert ALIAS.fullmatch(of_anna)
    assert ALIAS.fullmatch(of_bert)
    names = {one.id for one in people.list_sessions(scope, user=ANNA).sessions}
    assert "before the rule" in names
    assert [bool(ALIAS.fullmatch(name)) for name in names].count(True) == 1
    assert people.get_session(scope, f"chat of {BERT}").session.user_id == of_bert
    by_query = search.list_traces(scope, search.parse_query(f'user = "{ANNA}"'))
    assert len(by_query.traces) == 3
    others = search.list_traces(scope, search.parse_query(f'user != "{ANNA}"'))
    assert len(others.traces) == 2
    assert len(search.list_traces(scope, search.parse_query(f'user = "{of_anna}"')).traces) == 2


def test_what_a_person_left_is_erased_by_the_real_id_whatever_rules_there_were(
    scope: Scope,
) -> None:
    keep(scope, user_id=ANNA)
    privacy.mask(scope, "email")
    keep(scope, user_id=ANNA, session_id=f"{ANNA}/1")
    scoring.record_scores(
        scope, [TraceScore(name="csat", value=1.0, session_id=f"{ANNA}/1", source="person")]
    ).result()
    scope.store.flusher.flush()
    assert [one.name for one in scoring.list_scores(scope, session_id=f"{ANNA}/1")] == ["csat"]
    privacy.unmask(scope, "email")
    privacy.mask(scope, "mail", pattern=r"\S+@example\.com")
    keep(scope, user_id=ANNA)
    privacy.unmask(scope, "mail")
    stays = keep(scope, user_id=BERT)

    looked = rewriting.erase(scope, user=ANNA, only_look=True)
    assert (looked.traces, looked.beside["scores of sessions"]) == (3, 1)
    rewriting.erase(scope, user=ANNA)

    assert [row.trace_id for row in search.list_traces(scope).traces] == [stays]
    assert not scoring.list_scores(scope)
    assert rewriting.erase(scope, user=ANNA, only_look=True).is_nothing


def test_a_session_is_erased_by_its_real_id(scope: Scope) -> None:
    privacy.mask(scope, "email")
    keep(scope, session_id=f"mail of {ANNA}")
    stays = keep(scope, session_id=f"mail of {BERT}")

    rewriting.erase(scope, session=f"mail of {ANNA}")

    assert [row.trace_id for row in search.list_traces(scope).traces] == [stays]


@pytest.mark.parametrize("form", ["json", "protobuf"])
def test_whatever_a_sender_calls_it_the_alias_is_the_same(scope: Scope, form: str) -> None:
    privacy.mask(scope, "email")
    sent, spans = protobuf(), list[dict[str, Any]]()
    scoped = sent.resource_spans[0].scope_spans[0]
    del scoped.spans[:]
    names = [*USERS, *SESSIONS]
    for number, name in enumerate(names):
        beside = {"mlflow.spanType": "LLM", "lk.agent_name": "a", "langsmith.span.kind": "llm"}
        values = {key: value for key, value in beside.items() if key[:3] == name[:3]}
        values[name] = f'"{ANNA}"' if name.startswith("mlflow") else ANNA
        span_id = f"{number + 1:016x}"
        listed = [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]
        spans.append({"spanId": span_id, "name": name, "attributes": listed})
        one = scoped.spans.add(name=name, trace_id=bytes.fromhex(TRACE))
        one.span_id = bytes.fromhex(span_id)
        for key, value in values.items():
            pair = one.attributes.add()
            pair.key, pair.value.string_value = key, value
    if form == "json":
        take(scope, message(*spans))
    else:
        take(scope, sent.SerializeToString(), media_type=receive.PROTOBUF)
    scope.store.flusher.flush()

    found = get_trace(scope, TRACE)
    assert {span.name for span in found} == set(names)
    for span in found:
        column = "user_id" if span.name in USERS else "session_id"
        kept = privacy.names_kept(scope.store, scope.workspace, column, ANNA)[1]
        assert getattr(span, column) == kept, span.name
        assert ANNA not in span.model_dump_json()


def test_every_name_of_a_person_that_a_reader_knows_is_aliased() -> None:
    """A new reader's names have to stand in the list, else ids of its senders collapse into one."""
    folder = Path(conventions.__file__).parent
    heads = r'"(?:session|user)_id": (?:_unquoted\()?first_text\(\s*attributes,([^)]*)\)'
    prefixes = {
        "vercel": "ai.telemetry.metadata.",
        "openllmetry": "traceloop.association.properties.",
    }
    for file in sorted(folder.glob("*.py")):
        for said in re.findall(heads, file.read_text()):
            for prefix, name in re.findall(r'(_OF_PEOPLE \+ )?"([\w.]+)"', said):
                whole = prefixes[file.stem] + name if prefix else name
                assert whole in (*USERS, *SESSIONS), (file.name, whole)


def test_another_workspace_has_other_aliases_and_a_list_of_mails_finds_nobody(
    scope: Scope,
) -> None:
    privacy.mask(scope, "email")
    keep(scope, user_id=ANNA)
    here = people.get_user(scope, ANNA).id
    elsewhere = replace(scope, workspace="other")
    members._make_workspace(scope.store, "other")
    privacy.mask(elsewhere, "email")
    keep(elsewhere, user_id=ANNA)

    there = people.get_user(elsewhere, ANNA).id
    assert ALIAS.fullmatch(there)
    assert there != here
    assert hashlib.sha256(ANNA.encode()).hexdigest()[:16] not in here


def test_a_rule_for_the_field_itself_makes_an_alias_and_numbers_get_one(scope: Scope) -> None:
    privacy.mask(scope, "whose", field="*user*")
    body = orjson.loads(message({}))
    (span,) = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
    span["attributes"] = [{"key": "user.id", "value": {"intValue": "4711"}}]
    take(scope, orjson.dumps(body))
    own = keep(scope, user_id="4711")

    (sent,), (kept,) = get_trace(scope, TRACE), get_trace(scope, own)
    assert re.fullmatch(r"\[masked:whose:[0-9a-f]{16}\]", sent.user_id or "")
    assert kept.user_id == sent.user_id


def test_what_is_an_alias_already_stays_one(scope: Scope, tmp_path: Path) -> None:
    privacy.mask(scope, "email")
    trace_id = keep(scope, user_id=ANNA)
    (before,) = get_trace(scope, trace_id)
    privacy.mask(scope, "whose", field="user_id")
    again = keep(scope, user_id=before.user_id)

    (after,) = get_trace(scope, again)
    assert after.user_id == before.user_id


def test_who_said_something_elsewhere_is_told_apart_and_not_named(
    scope: Scope, write: Write
) -> None:
    privacy.mask(scope, "email")
    both = [
        langfuse_score(name="fair", value=value, source="ANNOTATION", authorUserId=who)
        for who, value in ((ANNA, 1), (BERT, 0))
    ]
    path = write("traces.json", [langfuse_trace(*both)])
    for _ in range(2):
        imports.import_file(scope, path)

    found = scoring.list_scores(scope)
    assert len({one.by for one in found}) == len(found) == 2
    assert all(ALIAS.fullmatch(one.by or "") for one in found)
