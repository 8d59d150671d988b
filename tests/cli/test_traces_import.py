"""`lineside traces import`: files of other products on the command line."""

import json
from pathlib import Path

import pytest

from cli.conftest import Run

ROW = {
    "id": "eee19b7ec3c1b174",
    "traceId": "5b8efff798038103d269b633813fc60c",
    "type": "GENERATION",
    "name": "answer",
    "model": "gpt-4o",
    "startTime": "2025-06-11T14:01:32.598Z",
    "usageDetails": {"input": 10, "output": 5},
}


def test_a_file_is_brought_along_and_shows_in_the_list(lineside: Run, place: Path) -> None:
    (place / "rows.jsonl").write_text(json.dumps(ROW))

    shown = lineside("traces", "import", "rows.jsonl")
    again = lineside("traces", "import", "rows.jsonl", "--json")

    assert shown.code == 0
    assert "rows.jsonl" in shown.out
    assert "langfuse" in shown.out
    assert "gpt-4o" in shown.out
    assert (again.data[0]["kept"], again.data[0]["tokens_in"]) == (1, 10)
    assert len(lineside("traces", "ls", "--json").data["traces"]) == 1


def test_scores_and_tags_are_counted_and_show_with_their_trace(lineside: Run, place: Path) -> None:
    score = {"name": "helpful", "value": 0.5, "dataType": "NUMERIC", "source": "EVAL"}
    score |= {"traceId": ROW["traceId"], "timestamp": "2025-06-11T15:00:00Z"}
    trace = {"id": ROW["traceId"], "timestamp": ROW["startTime"], "tags": ["beta"]}
    trace |= {"scores": [score], "observations": [ROW]}
    (place / "traces.jsonl").write_text(json.dumps(trace))

    read = lineside("traces", "import", "traces.jsonl", "--json").data[0]
    shown = lineside("traces", "show", str(ROW["traceId"])[:8])
    marked = lineside("traces", "ls", "-q", "tag = beta and score.helpful < 1", "--json").data

    assert (read["scores"], read["tags"]) == (1, 1)
    assert "Score helpful: 0.5, by langfuse" in shown.out
    assert len(marked["traces"]) == 1


def test_what_is_not_taken_is_named_and_ends_in_1(lineside: Run, place: Path) -> None:
    (place / "rows.jsonl").write_text(f"{json.dumps(ROW)}\n{{broken\n")

    shown = lineside("traces", "import", "rows.jsonl")

    assert shown.code == 1
    assert "Not taken from rows.jsonl: 1" in shown.out
    assert "1: it is not JSON, such as line 2" in shown.out


def test_a_file_that_nobody_knows_stops_before_anything_is_taken(
    lineside: Run, place: Path
) -> None:
    (place / "rows.jsonl").write_text(json.dumps(ROW))
    (place / "other.json").write_text('{"a": 1}')

    wrong = lineside("traces", "import", "rows.jsonl", "other.json")

    assert wrong.code == 2
    assert "`other.json` is no export that is known: its entries have the keys a" in wrong.err
    assert "--format lineside|otlp|" in wrong.err
    assert lineside("traces", "ls", "--json").data["traces"] == []
    assert (
        "There is no format `foo`"
        in lineside("traces", "import", "rows.jsonl", "--format", "foo").err
    )
    assert lineside("traces", "import", "rows.jsonl", "--use-case", "none").code == 2


def test_what_was_exported_in_one_place_is_imported_in_another(
    lineside: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "rows.jsonl").write_text(json.dumps(ROW))
    trace_id = str(ROW["traceId"])
    lineside("traces", "import", "rows.jsonl")
    lineside("traces", "score", trace_id, "--name", "tone", "--label", "rude")
    lineside("traces", "tag", trace_id, "beta")
    lineside("traces", "note", trace_id, "Too short")
    before = shown(lineside, trace_id)
    told = lineside("traces", "export", "own.jsonl")
    lineside("traces", "export", "otlp.jsonl", "--otlp")

    for name in ("own", "otlp"):
        monkeypatch.setenv("LINESIDE_HOME", str(place / f"home-{name}"))
        for _ in range(2):
            brought = lineside("traces", "import", f"{name}.jsonl", "--json")
            assert (brought.code, brought.data[0]["kept"], brought.data[0]["notes"]) == (0, 1, 1)
        assert shown(lineside, trace_id) == before

    assert told.err == "1 traces, 1 steps, 1 scores, 2 marks\n"


def shown(lineside: Run, trace_id: str) -> list[object]:
    """What a trace and the lists it stands in say; ids of marks are another in every place."""
    marks = [one | {"id": ""} for one in lineside("traces", "marks", "--json").data]
    lists = ("ls", "scores", "stats")
    found = [lineside("traces", name, "--json").data for name in lists]
    return [lineside("traces", "show", trace_id, "--json").data, *found, marks]


def test_who_has_no_traces_yet_is_told_how_to_get_some(lineside: Run, place: Path) -> None:
    assert place.exists()

    nothing, none_such = lineside("traces", "ls"), lineside("traces", "ls", "-q", "status = error")

    assert nothing.err.startswith("There are no traces yet\nhint: Send OpenTelemetry spans")
    assert none_such.err == "No trace meets this\n"
