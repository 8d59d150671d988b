from collections.abc import Callable

import pytest

from evals.conftest import rows
from lineside.core import Invalid, NotFound
from lineside.evals import datasets, keep_dataset
from lineside.evals.dataset import Dataset
from lineside.trust import Scope

Read = Callable[..., Dataset]


def test_a_diff_names_added_removed_and_changed_cases(scope: Scope, read: Read) -> None:
    first = keep_dataset(scope, "triage", read(rows(3)))
    changed = rows(4)[1:]
    changed[0]["expected"] = {"topic": "lost_card"}
    second = keep_dataset(scope, "triage", read(changed))

    found = datasets.diff_datasets(scope, first, second)

    assert (found.added, found.removed, found.same) == (["c4"], ["c1"], 1)
    assert [(each.id, each.fields) for each in found.changed] == [
        ("c2", {"expected.topic": ("refund", "lost_card")})
    ]


def test_a_version_is_found_by_name_and_the_newest_without_a_number(
    scope: Scope, read: Read
) -> None:
    first = keep_dataset(scope, "triage", read(rows(1)))
    second = keep_dataset(scope, "triage", read(rows(2)))

    assert datasets.find_dataset(scope, "triage/golden@1") == first
    assert datasets.find_dataset(scope, "triage/golden") == second
    assert datasets.find_dataset(scope, first.id) == first
    with pytest.raises(NotFound, match="no dataset `triage/golden@9`"):
        datasets.find_dataset(scope, "triage/golden@9")
    with pytest.raises(Invalid, match="expected a number"):
        datasets.find_dataset(scope, "triage/golden@new")


@pytest.mark.parametrize(
    ("form", "name", "content", "given", "expected"),
    [
        ("inspect", "a.json", b'[{"input":"q","target":"a"}]', {"input": "q"}, {"target": "a"}),
        (
            "openai",
            "a.jsonl",
            b'{"input":[{"role":"user","content":"q"}],"ideal":"a"}\n',
            {"messages": [{"role": "user", "content": "q"}]},
            {"ideal": "a"},
        ),
        (
            "deepeval",
            "a.json",
            b'{"goldens":[{"input":"q","expected_output":"a","context":["d"]}]}',
            {"input": "q"},
            {"output": "a", "documents": ["d"]},
        ),
        (
            "langfuse",
            "a.jsonl",
            b'{"id":"1","input":{"q":1},"expectedOutput":{"a":2}}',
            {"q": 1},
            {"a": 2},
        ),
        ("mlflow", "a.json", b'[{"inputs":{"q":1},"expectations":{"a":2}}]', {"q": 1}, {"a": 2}),
        (
            "promptfoo",
            "a.yaml",
            b"tests:\n- vars: {q: hi}\n  assert: [{type: equals, value: a}]\n",
            {"q": "hi"},
            {"output": "a"},
        ),
    ],
)
def test_cases_of_other_tools_are_told_by_their_content(
    form: str, name: str, content: bytes, given: object, expected: object
) -> None:
    found = datasets.import_cases(name, content)
    case = next(iter(found.dataset))
    assert (found.form, case.input, case.expected) == (form, given, expected)


def test_what_cannot_be_kept_is_counted_with_its_reason() -> None:
    content = (
        b'{"id":1,"input":"q","target":"a","files":["x"]}\n{"id":1,"input":"r"}\n7\n{"id":2}\n'
    )
    found = datasets.import_cases("a.jsonl", content)

    assert (found.read, len(found.dataset)) == (4, 1)
    assert found.left_out == {"id stands there again": 1, "no object with fields": 1, "no input": 1}
    assert found.unread == {"files": 1}


@pytest.mark.parametrize("content", [b"", b"[]", b"[1]", b"{", b'[{"x": 1}]'])
def test_a_file_without_cases_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid):
        datasets.import_cases("a.json", content)


def test_asserts_and_nested_metadata_without_a_place_are_told() -> None:
    content = b"""tests:
- vars: {q: hi}
  assert: [{type: equals, value: a}, {type: llm-rubric, value: kind}]
  metadata: {channel: mail, history: [1]}
"""
    found = datasets.import_cases("a.yaml", content)

    assert found.unread == {"assert llm-rubric": 1, "metadata.history": 1}
    assert next(iter(found.dataset)).slices == {"channel": "mail"}
