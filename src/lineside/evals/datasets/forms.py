"""How each tool writes a case, and how it becomes one of ours."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lineside.core import Invalid, did_you_mean
from lineside.evals.dataset import Case
from lineside.evals.datasets import promptfoo

Raw = dict[str, Any]
MakeCase = Callable[[Raw, Counter[str]], Case]
"""Makes a case of an entry, and counts by name what of the entry it has no place for."""

_CALL_KEYS = ("name", "type", "inputParameters", "input_parameters")
_PARTS = {"input": "input", "expected": "expected", "slice": "slices"}


@dataclass(frozen=True)
class CaseForm:
    """How one tool writes a case.

    Attributes:
        signs: Keys that every entry of this form has, and by which it is told.
        known: All keys that are read.
    """

    signs: frozenset[str]
    known: frozenset[str]
    make: MakeCase

    def case(self, entry: Raw, unread: Counter[str]) -> Case:
        """Make a case of an entry, and count what it says that the case does not."""
        if self.known:
            unread.update(key for key in entry if key not in self.known and _says(entry[key]))
        return self.make(entry, unread)


@dataclass(frozen=True)
class TableColumns:
    """Which columns of a table are what, as a person says it.

    Attributes:
        names: The column with the case's id, and that with its split, where there are any.
    """

    inputs: tuple[str, ...]
    expected: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    names: Mapping[str, str] | None = None

    def require_in(self, file: str, entries: Sequence[Any]) -> None:
        """Go on only if each column stands in one entry at least.

        Raises:
            Invalid: `unknown_column` names those there are.
        """
        known = list(
            dict.fromkeys(key for entry in entries if isinstance(entry, dict) for key in entry)
        )
        named = [*self.inputs, *self.expected, *self.slices, *(self.names or {}).values()]
        for name in named if known else ():
            if name not in known:
                near = did_you_mean(name, known)
                shown = ", ".join(f"`{key}`" for key in known[:8])
                raise Invalid(
                    "unknown_column",
                    f"`{file}` has no column `{name[:80]}`; it has: {shown}",
                    hint=f"Did you mean `{near}`?" if near else None,
                )

    def form(self) -> CaseForm:
        """The form of a table with these columns; an entry may lack some of them."""
        names = self.names or {}
        known = frozenset([*self.inputs, *self.expected, *self.slices, *names.values()])

        def make(entry: Raw, unread: Counter[str]) -> Case:
            given = {name: entry[name] for name in self.inputs if name in entry}
            expected = {name: entry[name] for name in self.expected if name in entry}
            chosen = {name: entry[name] for name in self.slices if name in entry}
            words = {part: _text(entry.get(column)) for part, column in names.items()}
            return Case(
                words.get("id", ""),
                given,
                {name: value for name, value in expected.items() if value is not None},
                _slices(chosen, unread, "slice"),
                split=words.get("split") or None,
            )

        return CaseForm(frozenset(), known, make)


def form_of(name: str, entry: Raw) -> str:
    """Tell by the keys of an entry whose form it has.

    Raises:
        Invalid: It has nobody's.
    """
    for form, how in FORMS.items():
        if how.signs <= entry.keys():
            return form
    if any(key.startswith("input.") for key in entry):
        return "columns"
    keys = ", ".join(f"`{key}`" for key in list(entry)[:8]) or "nothing"
    raise unknown_form(f"Whose form `{name}` has cannot be told: its first entry has {keys}")


def unknown_form(message: str) -> Invalid:
    hint = f"Use `--as` with one of {', '.join(FORMS)}, or say with `--input` and `--expected` "
    return Invalid("unknown_form", message, hint=hint + "which fields are what.")


def _says(value: Any) -> bool:
    return value not in (None, "", [], {})


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


def _slices(value: Any, unread: Counter[str], name: str) -> dict[str, str]:
    """Words that a case can be grouped by; what is no word is told as unread."""
    if not isinstance(value, dict):
        unread[name] += _says(value)
        return {}
    words = {key: item for key, item in value.items() if isinstance(item, str | int | float)}
    unread.update(f"{name}.{key}" for key in value if key not in words and _says(value[key]))
    return {str(key): str(item) for key, item in words.items()}


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _inspect(entry: Raw, unread: Counter[str]) -> Case:
    given = _fields(entry.get("input"), "input")
    if entry.get("choices"):
        given = given | {"choices": entry["choices"]}
    target = _one_of(entry.get("target"))
    if entry.get("choices") and isinstance(target, list):
        # Whether all of them are to be picked or any stands in the solver, not in the sample.
        unread["target of several choices"] += 1
        target = None
    expected = _fields(target, "target")
    slices = _slices(entry.get("metadata"), unread, "metadata")
    return Case(_text(entry.get("id")), given, expected, slices)


def _openai(entry: Raw, unread: Counter[str]) -> Case:  # noqa: ARG001 # it reads all there is
    ideal = _one_of(entry.get("ideal"))
    return Case("", _fields(entry.get("input"), "input"), _fields(ideal, "ideal"))


def _one_of(value: Any) -> Any:
    """What counts as right: of a list any one, as our scorers of single values read a list too."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _deepeval(entry: Raw, unread: Counter[str]) -> Case:
    expected = {
        "output": entry.get("expected_output"),
        "documents": _passages(entry.get("context")),
        "tool_calls": _tool_calls(entry.get("expected_tools"), unread),
    }
    return Case(
        _text(entry.get("name")),
        _fields(entry.get("input"), "input"),
        {key: value for key, value in expected.items() if value},
        _slices(entry.get("additional_metadata"), unread, "additional_metadata"),
        entry.get("source_file"),
    )


def _deepeval_talk(entry: Raw, unread: Counter[str]) -> Case:
    given = {
        "scenario": entry.get("scenario"),
        "user_description": entry.get("user_description"),
        "messages": _turns(entry.get("turns")),
    }
    expected = {
        "outcome": entry.get("expected_outcome"),
        "documents": _passages(entry.get("context")),
    }
    return Case(
        _text(entry.get("name")),
        {key: value for key, value in given.items() if value},
        {key: value for key, value in expected.items() if value},
        _slices(entry.get("additional_metadata"), unread, "additional_metadata"),
    )


def _passages(context: Any) -> Any:
    """A list of passages, which DeepEval joins in files whose rows are flat."""
    return context.split("|") if isinstance(context, str) and context else context


def _turns(turns: Any) -> Any:
    """What was said, without the fields that DeepEval writes for all that a turn might have."""
    if not isinstance(turns, list):
        return turns
    return [
        {key: value for key, value in turn.items() if value is not None}
        if isinstance(turn, dict)
        else turn
        for turn in turns
    ]


def _tool_calls(given: Any, unread: Counter[str]) -> list[Raw]:
    """Calls by name and arguments; a lone word is the name of a tool with any arguments."""
    calls: list[Raw] = []
    for call in given if isinstance(given, list) else [given] if given else []:
        if isinstance(call, str):
            calls.append({"name": call})
        elif isinstance(call, dict) and call.get("name"):
            # Its files name the arguments otherwise than its objects.
            arguments = call.get("inputParameters") or call.get("input_parameters") or {}
            calls.append({"name": call["name"], "arguments": arguments})
            more = (key for key in call if key not in _CALL_KEYS)
            unread.update(f"expected_tools.{key}" for key in more if _says(call[key]))
        else:
            unread["expected_tools without a name"] += 1
    return calls


def _langfuse(entry: Raw, unread: Counter[str]) -> Case:
    return Case(
        _text(entry.get("id")),
        _fields(entry.get("input"), "input"),
        _fields(entry.get("expectedOutput"), "output"),
        _slices(entry.get("metadata"), unread, "metadata"),
        entry.get("sourceTraceId"),
    )


def _mlflow(entry: Raw, unread: Counter[str]) -> Case:
    source = entry.get("source")
    data = source.get("source_data") if isinstance(source, dict) else None
    trace_id = data.get("trace_id") if isinstance(data, dict) else None
    unread["source"] += trace_id is None and _says(source)
    return Case(
        _text(entry.get("dataset_record_id")),
        _fields(entry.get("inputs"), "input"),
        _fields(entry.get("expectations"), "output"),
        _slices(entry.get("tags"), unread, "tags"),
        _text(trace_id) or None,
    )


def _promptfoo(entry: Raw, unread: Counter[str]) -> Case:
    slices = _slices(entry.get("metadata"), unread, "metadata")
    given = _fields(entry.get("vars"), "input")
    return Case("", given, promptfoo.expected_of(entry, unread), slices)


def _columns(entry: Raw, unread: Counter[str]) -> Case:
    """A line of our own CSV."""
    parts: dict[str, Raw] = {"input": {}, "expected": {}, "slices": {}}
    alone = {}
    for column, value in entry.items():
        part, _, name = column.partition(".")
        if part in _PARTS and name:
            parts[_PARTS[part]][name] = value
        elif column in ("id", "source", "cluster", "split"):
            alone[column] = value
        else:
            unread[column] += _says(value)
    return _own(parts | alone, unread)


def _own(entry: Raw, unread: Counter[str]) -> Case:
    words = {part: _text(entry.get(part)) or None for part in ("source", "cluster", "split")}
    return Case(
        _text(entry.get("id")),
        _fields(entry.get("input"), "input"),
        _fields(entry.get("expected"), "output"),
        _slices(entry.get("slices"), unread, "slices"),
        **words,
    )


def _form(signs: str, known: str, make: MakeCase) -> CaseForm:
    return CaseForm(frozenset(signs.split()), frozenset(f"{signs} {known}".split()), make)


FORMS = {
    "langfuse": _form("input expectedOutput", "id metadata sourceTraceId status", _langfuse),
    "mlflow": _form("inputs", "expectations dataset_record_id tags source", _mlflow),
    "deepeval": _form(
        "input expected_output",
        "name context expected_tools source_file additional_metadata",
        _deepeval,
    ),
    "deepeval-conversation": _form(
        "scenario",
        "turns expected_outcome user_description context additional_metadata name",
        _deepeval_talk,
    ),
    "openai": _form("input ideal", "", _openai),
    "inspect": _form("input target", "id metadata choices", _inspect),
    "promptfoo": _form("vars", "assert metadata", _promptfoo),
    "promptfoo-csv": CaseForm(frozenset({"__expected"}), frozenset(), promptfoo.from_row),
    "lineside": _form("input", "id expected slices source cluster split", _own),
    "columns": CaseForm(frozenset({"input."}), frozenset(), _columns),
}
"""Forms by name; the first whose signs an entry has is taken."""
