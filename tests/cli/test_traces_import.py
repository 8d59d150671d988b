"""`lineside traces import`: files of other products on the command line."""

import json
from pathlib import Path

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
    assert "--format otlp|" in wrong.err
    assert lineside("traces", "ls", "--json").data["traces"] == []
    assert (
        "There is no format `foo`"
        in lineside("traces", "import", "rows.jsonl", "--format", "foo").err
    )
    assert lineside("traces", "import", "rows.jsonl", "--use-case", "none").code == 2
