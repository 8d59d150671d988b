"""Files as other tools write them; each small, with what the tool really puts there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pytest

from evals.conftest import INPUT, OUTPUT
from lineside.core import Invalid
from lineside.evals import datasets, read_dataset
from lineside.evals.dataset import Case

PARCEL = {"role": "user", "content": "Where is my parcel?"}

Import = Callable[..., datasets.importing.ImportedCases]


@pytest.fixture
def bring(tmp_path: Path) -> Import:
    """Write a file, import it."""

    def write(name: str, content: Any, **more: Any) -> datasets.importing.ImportedCases:
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else orjson.dumps(content))
        return datasets.importing.import_cases(file, **more)

    return write


def only(found: datasets.importing.ImportedCases) -> Case:
    (case,) = found.dataset
    return case


def test_promptfoo_tests_get_their_defaults_and_lists_of_values(bring: Import) -> None:
    found = bring(
        "promptfooconfig.yaml",
        """
description: Post room
prompts: [prompts.txt]
providers: [openai:gpt-5]
defaultTest:
  vars: {language: en}
  metadata: {channel: mail}
  assert: [{type: not-contains, value: sorry}]
tests:
  - vars: {question: ["Where?", "When?"]}
    assert: [{type: equals, value: Here}]
  - file://more.yaml
scenarios:
  - config: [{vars: {tone: calm}}, {vars: {tone: cross}}]
    tests: [{vars: {question: "Who?"}}]
""",
    )
    cases = list(found.dataset)

    assert [case.input["question"] for case in cases] == ["Where?", "When?", "Who?", "Who?"]
    assert [case.input.get("tone") for case in cases] == [None, None, "calm", "cross"]
    assert all(case.input["language"] == "en" for case in cases)
    assert cases[0].expected == {"output": "Here"}
    assert cases[0].slices == {"channel": "mail"}
    assert found.left_out == {"it only names another file; import that one too": 1}
    assert found.unread == {
        "description": 1,
        "prompts": 1,
        "providers": 1,
        "assert not-contains": 4,
    }


def test_promptfoo_csv_says_what_it_expects_in_a_column(bring: Import) -> None:
    found = bring("tests.csv", "question,__expected,__metadata:channel\nWhere?,equals: Here,mail\n")
    case = only(found)
    assert (found.form, case.input) == ("promptfoo-csv", {"question": "Where?"})
    assert (case.expected, case.slices) == ({"output": "Here"}, {"channel": "mail"})
    found = bring("more.csv", "question,__expected\nWho?,llm-rubric: is kind\n")
    assert found.unread == {"assert llm-rubric": 1}


def test_inspect_samples_keep_conversation_choices_and_words(bring: Import) -> None:
    sample = {
        "id": 7,
        "input": [{"role": "system", "content": "Be short"}, PARCEL],
        "target": "B",
        "choices": ["Lost", "On its way"],
        "metadata": {"level": 2, "history": [1]},
        "sandbox": "docker",
    }
    found = bring("samples.json", [sample])
    case = only(found)
    assert (found.form, case.id, case.expected) == ("inspect", "7", {"target": "B"})
    assert case.input == {"messages": sample["input"], "choices": sample["choices"]}
    assert case.slices == {"level": "2"}
    assert found.unread == {"sandbox": 1, "metadata.history": 1}


def test_the_openai_registry_leads_to_its_samples(tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    (registry / "evals").mkdir(parents=True)
    (registry / "data" / "post").mkdir(parents=True)
    samples = registry / "data" / "post" / "samples.jsonl"
    samples.write_bytes(orjson.dumps({"input": [PARCEL], "ideal": ["Here", "There"]}))
    file = registry / "evals" / "post.yaml"
    file.write_text(
        "post:\n  id: post.dev.v0\n  metrics: [accuracy]\npost.dev.v0:\n"
        "  class: evals.elsuite.basic.match:Match\n  args: {samples_jsonl: post/samples.jsonl}\n"
    )
    found = datasets.importing.import_cases(file)

    assert (found.form, only(found).input) == ("openai", {"messages": [PARCEL]})
    assert only(found).expected == {"ideal": ["Here", "There"]}
    samples.unlink()
    with pytest.raises(Invalid, match=r"names the samples `post/samples\.jsonl`"):
        datasets.importing.import_cases(file)


def test_deepeval_goldens_keep_documents_and_tool_calls(bring: Import) -> None:
    golden = {
        "input": "Where is it?",
        "expected_output": "Here",
        "context": ["Parcels take a day"],
        "expected_tools": [
            {"name": "track", "input_parameters": {"number": 5}, "description": "Tracks"},
            "notify",
            9,
        ],
        "additional_metadata": {"channel": "mail"},
        "retrieval_context": None,
        "source_file": "faq.md",
        "comments": "From the pilot",
    }
    found = bring("goldens.json", [golden])
    case = only(found)
    assert (found.form, case.source, case.slices) == ("deepeval", "faq.md", {"channel": "mail"})
    assert case.expected == {
        "output": "Here",
        "documents": ["Parcels take a day"],
        "tool_calls": [{"name": "track", "arguments": {"number": 5}}, {"name": "notify"}],
    }
    assert found.unread == {
        "comments": 1,
        "expected_tools.description": 1,
        "expected_tools without a name": 1,
    }


def test_goldens_as_deepeval_saves_them_to_files_keep_arguments_and_passages(
    bring: Import,
) -> None:
    call = {"name": "refund", "type": "FUNCTION", "inputParameters": {"order": 7}}
    entry = {"input": "q", "expected_output": "a", "context": "one|two", "expected_tools": [call]}

    found = bring("goldens.jsonl", entry | {"comments": None})

    assert only(found).expected == {
        "output": "a",
        "documents": ["one", "two"],
        "tool_calls": [{"name": "refund", "arguments": {"order": 7}}],
    }
    assert not found.unread


def test_deepeval_conversations_keep_their_turns(bring: Import) -> None:
    turn = PARCEL | {"retrieval_context": None, "tools_called": None}
    golden = {"scenario": "A lost parcel", "expected_outcome": "A refund", "turns": [turn]}
    case = only(bring("goldens.json", {"goldens": [], "conversational_goldens": [golden]}))
    assert case.input == {"scenario": "A lost parcel", "messages": [PARCEL]}
    assert case.expected == {"outcome": "A refund"}


def test_langfuse_items_keep_their_trace_and_leave_the_archived(bring: Import) -> None:
    item = {
        "id": "item-1",
        "status": "ACTIVE",
        "input": {"question": "Where?"},
        "expectedOutput": "Here",
        "metadata": {"channel": "mail"},
        "sourceTraceId": "4bf92f35",
        "sourceObservationId": None,
        "datasetName": "faq",
    }
    page = {
        "data": [item, item | {"id": "item-2", "status": "ARCHIVED"}],
        "meta": {"page": 1, "totalPages": 3},
    }
    found = bring("items.json", page)
    case = only(found)
    assert (found.form, case.id, case.source) == ("langfuse", "item-1", "4bf92f35")
    assert (case.input, case.expected) == ({"question": "Where?"}, {"output": "Here"})
    assert found.left_out == {"archived": 1}
    assert found.unread == {"datasetName": 1, "meta": 1}


def test_mlflow_records_keep_expectations_and_trace(bring: Import) -> None:
    record = {
        "dataset_record_id": "dr-1",
        "inputs": {"question": "Where?"},
        "expectations": {"expected_response": "Here", "expected_facts": ["a shop"]},
        "tags": {"channel": "mail"},
        "source": {"source_type": "TRACE", "source_data": {"trace_id": "tr-9"}},
        "create_time": 1,
    }
    by_hand = {"dataset_record_id": "dr-2", "inputs": {"q": 1}, "source": {"source_type": "HUMAN"}}
    found = bring("records.json", [record, by_hand])
    case = next(iter(found.dataset))
    assert (found.form, case.id, case.source) == ("mlflow", "dr-1", "tr-9")
    assert case.expected == record["expectations"]
    assert found.unread == {"create_time": 1, "source": 1}


def test_a_table_is_read_by_the_columns_that_are_named(tmp_path: Path) -> None:
    file = tmp_path / "faq.parquet"
    duckdb.execute(
        "COPY (SELECT 'Where?' AS question, 'Here' AS answer, 'mail' AS channel, 7 AS score, "
        f"[1, 2] AS pages, DATE '2026-01-31' AS day) TO '{file}' (FORMAT parquet)"
    )
    columns = datasets.forms.TableColumns(("question", "pages", "day"), ("answer",), ("channel",))
    found = datasets.importing.import_cases(file, columns=columns)
    case = only(found)
    assert case.input == {"question": "Where?", "pages": [1, 2], "day": "2026-01-31"}
    assert (case.expected, case.slices) == ({"answer": "Here"}, {"channel": "mail"})
    assert found.unread == {"score": 1}
    with pytest.raises(Invalid, match="its first entry has `question`"):
        datasets.importing.import_cases(file)


def test_our_own_csv_and_lines_come_back_as_they_are(bring: Import) -> None:
    table = "id,input.message,expected.topic,slice.channel,split\nc1,hi,refund,mail,test\n"
    by_row, by_line = (
        bring("cases.csv", table),
        bring("cases.jsonl", bring("cases.csv", table).dataset.content.decode()),
    )
    read = read_dataset(
        "cases.csv", table.encode(), input_schema=INPUT, output_schema=OUTPUT, bytes_max=10**6
    )
    assert by_row.dataset.digest == by_line.dataset.digest == read.digest


def test_a_cloned_folder_tells_splits_and_names_of_classes(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n"
        "  - {split: train, path: data/train-*}\n  - {split: test, path: data/test-*}\n"
        "- {config_name: french, data_files: fr/*.parquet}\n"
        "dataset_info:\n  features:\n  - name: text\n    dtype: string\n  - name: label\n"
        "    dtype: {class_label: {names: {'0': calm, '1': cross}}}\n---\n# Post\n"
    )
    (tmp_path / "data").mkdir()
    for split, label in (("train", 1), ("test", 0)):
        file = tmp_path / "data" / f"{split}-00000-of-00001.parquet"
        duckdb.execute(
            f"COPY (SELECT '{split} me' AS text, {label} AS label) TO '{file}' (FORMAT parquet)"
        )
    columns = datasets.forms.TableColumns(("text",), ("label",))
    found = datasets.importing.import_cases(tmp_path, columns=columns)
    cases = list(found.dataset)

    assert found.unread == {"configuration french": 1}
    assert [(case.split, case.expected["label"]) for case in cases] == [
        ("train", "cross"),
        ("test", "calm"),
    ]
    (tmp_path / "README.md").unlink()
    cases = list(datasets.importing.import_cases(tmp_path, columns=columns).dataset)
    assert [(case.split, case.expected["label"]) for case in cases] == [("test", 0), ("train", 1)]


def test_a_folder_saved_to_disk_is_read_from_arrow(tmp_path: Path) -> None:
    part = tmp_path / "train"
    part.mkdir()
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train"]}')
    (part / "state.json").write_text('{"_data_files": [{"filename": "data-0.arrow"}]}')
    (part / "dataset_info.json").write_text(
        '{"features": {"label": {"names": ["calm", "cross"], "_type": "ClassLabel"}}}'
    )
    table = pa.table({"text": ["hello", "HEY"], "label": [0, 1]})
    with pa.ipc.new_stream(str(part / "data-0.arrow"), table.schema) as writer:
        writer.write_table(table)
    columns = datasets.forms.TableColumns(("text",), ("label",))
    cases = list(datasets.importing.import_cases(tmp_path, columns=columns).dataset)
    assert [(c.input["text"], c.expected["label"], c.split) for c in cases] == [
        ("hello", "calm", "train"),
        ("HEY", "cross", "train"),
    ]


def test_what_cannot_be_kept_is_counted_with_its_reason(bring: Import) -> None:
    lines = '{"id":1,"input":"q","target":"a"}\n{"id":1,"input":"r"}\n7\n{"id":2}\n'
    found = bring("a.jsonl", lines)
    assert (found.read, len(found.dataset)) == (4, 1)
    assert found.left_out == {"id stands there again": 1, "no object with fields": 1, "no input": 1}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", ""),
        ("a.json", "[]"),
        ("a.json", "[1]"),
        ("a.json", "{"),
        ("a.json", '[{"x":1}]'),
        ("a.parquet", "no"),
        ("a.csv", "input.q\na,b\n"),
        ("a.yaml", "a: ["),
    ],
)
def test_a_file_without_cases_is_refused(bring: Import, name: str, content: str) -> None:
    with pytest.raises(Invalid):
        bring(name, content)


def test_turns_tool_calls_and_documents_pass_the_schema_of_an_agent(bring: Import) -> None:
    line = {
        "input": {"messages": [PARCEL, {"role": "assistant", "content": "Which?"}, PARCEL]},
        "expected": {"tool_calls": [{"name": "track"}], "documents": [{"id": "faq-1"}]},
    }
    found = bring("cases.jsonl", line)
    many = {"type": "array", "items": {"type": "object"}}
    read = read_dataset(
        "cases.jsonl",
        found.dataset.content,
        input_schema={"type": "object", "properties": {"messages": many}},
        output_schema={"type": "object", "properties": {"tool_calls": many, "documents": many}},
        bytes_max=10**6,
    )
    assert only(found).expected == next(iter(read)).expected == line["expected"]
