"""Reads files of test cases that other tools wrote, and says what of them could not be kept."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import yaml

from lineside.core import Invalid
from lineside.evals.dataset import Case, Dataset, dataset_of, id_from_content

_CASES_MAX = 1_000_000
_EQUAL = ("equals", "is-json-equal")
_SLICED = ("metadata", "additional_metadata", "tags", "slices")

Raw = dict[str, Any]


@dataclass(frozen=True)
class ImportedCases:
    """What became of a file.

    Attributes:
        form: Whose form it was, such as `inspect`.
        read: Entries in the file.
        left_out: Reason to the number of entries that were left out for it.
        unread: Field of the file's entries that cases have no place for, to how often it was there.
    """

    form: str
    dataset: Dataset
    read: int
    left_out: dict[str, int] = field(default_factory=dict)
    unread: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Form:
    """How one tool writes a case: the keys that tell it, what it reads of them, and how."""

    signs: frozenset[str]
    known: frozenset[str]
    case: Callable[[Raw], Case]


def import_cases(name: str, content: bytes, *, form: str | None = None) -> ImportedCases:
    """Read another tool's cases; nothing is dropped without being counted.

    Takes JSON lines, a JSON array, a JSON object that holds one, or YAML with `tests`.

    Args:
        form: Whose form it is; without it the form is told by the keys of the first entry.

    Raises:
        Invalid: It cannot be read, its form is not known, or none of it is a case.
    """
    entries = _entries(name, content)
    first = next((entry for entry in entries if isinstance(entry, dict)), {})
    chosen = form or _form_of(name, first)
    if chosen not in FORMS:
        raise _unknown_form(f"`{chosen[:40]}` is no form of cases")
    cases, left_out, unread = _read(entries, FORMS[chosen])
    if not cases:
        reasons = "; ".join(f"{count:,}: {text}" for text, count in left_out.items())
        raise Invalid(
            "no_cases",
            f"`{name}` holds no case of the form `{chosen}`: {reasons or 'it is empty'}",
            hint="Say whose form it is with `--as`.",
        )
    dataset = dataset_of(name, cases)
    return ImportedCases(chosen, dataset, len(entries), dict(left_out), dict(unread))


def _read(entries: list[Any], form: _Form) -> tuple[list[Case], Counter[str], Counter[str]]:
    cases: dict[str, Case] = {}
    left_out: Counter[str] = Counter()
    unread: Counter[str] = Counter()
    repeats: Counter[str] = Counter()
    for entry in entries:
        if not isinstance(entry, dict):
            left_out["no object with fields"] += 1
            continue
        case = form.case(entry)
        if not any(value not in (None, "", [], {}) for value in case.input.values()):
            left_out["no input"] += 1
            continue
        if not case.id:
            base = id_from_content(case, repeat=0)
            name = id_from_content(case, repeat=repeats[base])
            repeats[base] += 1
            case = Case(name, case.input, case.expected, case.slices, case.source)
        if case.id in cases:
            left_out["id stands there again"] += 1
            continue
        unread.update(_unread(entry, form))
        cases[case.id] = case
    return list(cases.values()), left_out, unread


def _unread(entry: Raw, form: _Form) -> Iterator[str]:
    """Name what an entry says that its case does not."""
    for key, value in entry.items():
        if value is not None and key not in form.known:
            yield key
        elif key in _SLICED and isinstance(value, dict):
            yield from (f"{key}.{part}" for part in value if str(part) not in _slices(value))
        elif key in _SLICED and value:
            yield key
    checks = entry.get("assert") if form is FORMS["promptfoo"] else None
    equal_count = 0
    for check in checks if isinstance(checks, list) else ():
        kind = check.get("type") if isinstance(check, dict) else check
        equal_count += kind in _EQUAL
        if kind not in _EQUAL or equal_count > 1:
            yield f"assert {str(kind)[:40]}"


def _entries(name: str, content: bytes) -> list[Any]:
    try:
        whole = _parsed(name, content)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise Invalid(
            "dataset_format",
            f"`{name}` cannot be read: {' '.join(str(error).split())[:200]}",
            hint="Expected JSON, JSON lines or YAML in UTF-8.",
        ) from error
    if isinstance(whole, dict):
        lists = (whole.get(key) for key in ("tests", "goldens", "data", "items", "samples"))
        whole = next((value for value in lists if isinstance(value, list)), [whole])
    entries = whole if isinstance(whole, list) else [whole]
    if len(entries) > _CASES_MAX:
        raise Invalid(
            "dataset_too_large",
            f"`{name}` has {len(entries):,} cases, the limit is {_CASES_MAX:,}",
            hint="Split it.",
        )
    return entries


def _parsed(name: str, content: bytes) -> Any:
    if name.lower().endswith((".yaml", ".yml")):
        return yaml.safe_load(content)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return [orjson.loads(line) for line in content.splitlines() if line.strip()]


def _form_of(name: str, entry: Raw) -> str:
    for form, how in FORMS.items():
        if how.signs <= entry.keys():
            return form
    keys = ", ".join(f"`{key}`" for key in list(entry)[:8]) or "nothing"
    raise _unknown_form(f"Whose form `{name}` has cannot be told: its first entry has {keys}")


def _unknown_form(message: str) -> Invalid:
    return Invalid("unknown_form", message, hint=f"Use `--as` with one of {', '.join(FORMS)}.")


def _fields(value: Any, name: str) -> Raw:
    """A value as named fields: an object as it is, a conversation, or a lone value by a name."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    is_talk = (
        isinstance(value, list)
        and value
        and all(isinstance(turn, dict) and "role" in turn and "content" in turn for turn in value)
    )
    return {"messages" if is_talk else name: value}


def _slices(value: Any) -> dict[str, str]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {str(key): str(item) for key, item in pairs if isinstance(item, str | int | float)}


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _inspect(entry: Raw) -> Case:
    given = _fields(entry.get("input"), "input")
    if entry.get("choices"):
        given = given | {"choices": entry["choices"]}
    expected = _fields(entry.get("target"), "target")
    return Case(_text(entry.get("id")), given, expected, _slices(entry.get("metadata")))


def _openai(entry: Raw) -> Case:
    return Case("", _fields(entry.get("input"), "input"), _fields(entry.get("ideal"), "ideal"))


def _deepeval(entry: Raw) -> Case:
    expected = {
        "output": entry.get("expected_output"),
        "documents": entry.get("context"),
        "tool_calls": [
            {"name": call.get("name"), "arguments": call.get("input_parameters") or {}}
            for call in entry.get("expected_tools") or []
            if isinstance(call, dict)
        ],
    }
    kept = {key: value for key, value in expected.items() if value}
    source = entry.get("source_file")
    slices = _slices(entry.get("additional_metadata"))
    return Case("", _fields(entry.get("input"), "input"), kept, slices, source)


def _langfuse(entry: Raw) -> Case:
    return Case(
        _text(entry.get("id")),
        _fields(entry.get("input"), "input"),
        _fields(entry.get("expectedOutput"), "output"),
        _slices(entry.get("metadata")),
        entry.get("sourceTraceId"),
    )


def _mlflow(entry: Raw) -> Case:
    inputs = _fields(entry.get("inputs"), "input")
    expected = _fields(entry.get("expectations"), "output")
    return Case(_text(entry.get("dataset_record_id")), inputs, expected, _slices(entry.get("tags")))


def _promptfoo(entry: Raw) -> Case:
    """Only what an answer must equal is an expectation; other asserts are told as unread."""
    asserts = entry.get("assert") or []
    equal = [
        check.get("value")
        for check in asserts
        if isinstance(check, dict) and check.get("type") in _EQUAL
    ]
    expected = {"output": equal[0]} if equal else {}
    return Case("", _fields(entry.get("vars"), "input"), expected, _slices(entry.get("metadata")))


def _own(entry: Raw) -> Case:
    return Case(
        _text(entry.get("id")),
        _fields(entry.get("input"), "input"),
        _fields(entry.get("expected"), "output"),
        _slices(entry.get("slices")),
        entry.get("source"),
        entry.get("cluster"),
    )


def _form(signs: str, known: str, case: Callable[[Raw], Case]) -> _Form:
    return _Form(frozenset(signs.split()), frozenset((signs + " " + known).split()), case)


FORMS = {
    "langfuse": _form("input expectedOutput", "id metadata sourceTraceId", _langfuse),
    "mlflow": _form("inputs expectations", "dataset_record_id tags", _mlflow),
    "deepeval": _form(
        "input expected_output",
        "context expected_tools source_file additional_metadata",
        _deepeval,
    ),
    "openai": _form("input ideal", "", _openai),
    "inspect": _form("input target", "id metadata choices", _inspect),
    "promptfoo": _form("vars", "assert metadata", _promptfoo),
    "lineside": _form("input", "id expected slices source cluster", _own),
}
"""Forms by name; the first whose signs an entry has is taken."""
