"""Reads the tests of a promptfoo configuration as it runs them itself."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from lineside.core import Invalid
from lineside.evals.dataset import Case

_EQUAL = ("equals", "is-json-equal")
_KNOWN = ("tests", "defaultTest", "scenarios")
_COMBINATIONS_MAX = 10_000

_FILE = "file://"
_FILE_BYTES_MAX = 1024 * 1024
_TEXT_FILES = (".txt", ".md", ".html", ".xml", ".json", ".csv")
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_OTHER = ("{{", "{%", "{#")

_UNFILLED = object()

FORMS = ("promptfoo", "promptfoo-csv")

Raw = dict[str, Any]


class NotTaken(Exception):
    """Why a test cannot become a case, in a few words."""


def is_configuration(whole: Any) -> bool:
    """Whether a file's content is a promptfoo configuration rather than a list of tests."""
    return isinstance(whole, dict) and ("scenarios" in whole or "tests" in whole)


def tests_of(configuration: Raw, unread: Counter[str]) -> Iterator[Any]:
    """Every test with the defaults put in: of `tests`, and of `scenarios` each with each.

    Prompts and providers are what is tested, not what it is tested with; they are told as unread.
    """
    unread.update(key for key, value in configuration.items() if key not in _KNOWN and value)
    default = configuration.get("defaultTest") or {}
    if not isinstance(default, dict):
        unread["defaultTest in another file"] += 1
        default = {}
    tests = configuration.get("tests") or []
    for test in tests if isinstance(tests, list) else [tests]:
        yield from _expanded(_merged(default, test))
    for scenario in configuration.get("scenarios") or ():
        if not isinstance(scenario, dict):
            yield scenario
            continue
        pairs = product(scenario.get("config") or [{}], scenario.get("tests") or [{}])
        for setting, test in pairs:
            merged = _merged(setting, test) if isinstance(setting, dict) else setting
            yield from _expanded(_merged(default, merged))


def filled(test: Raw, *, folder: Path) -> Raw:
    """The test as promptfoo asks it: variables and text files put where they are named.

    An expectation that cannot be filled in is told as unread; so is a line of its CSV.

    Args:
        folder: That of the suite; no file outside of it is read.

    Raises:
        NotTaken: A variable holds something that only promptfoo itself can fill in.
    """
    if not isinstance(test.get("vars"), dict):
        given = {name: value for name, value in test.items() if not name.startswith("__")}
        rest = {name: _wanted(test[name], given, folder) for name in test if name not in given}
        return test if "vars" in test else _variables(given, folder) | rest
    variables = _variables(test["vars"], folder)
    checks = [
        check | {"value": _wanted(check.get("value"), variables, folder)}
        if isinstance(check, dict) and check.get("type") in _EQUAL
        else check
        for check in test.get("assert") or ()
    ]
    return test | {"vars": variables, "assert": checks}


def _variables(given: Raw, folder: Path) -> Raw:
    read = {name: _from_file(value, folder) for name, value in given.items()}
    return {name: _put_in(value, read) for name, value in read.items()}


def _wanted(value: Any, variables: Raw, folder: Path) -> Any:
    try:
        return _put_in(_from_file(value, folder), variables)
    except NotTaken:
        return _UNFILLED


def _from_file(value: Any, folder: Path) -> Any:
    if not isinstance(value, str) or not value.startswith(_FILE):
        return value
    named = value.removeprefix(_FILE)
    file = (folder / named).resolve()
    if not file.is_relative_to(folder.resolve()) or not file.is_file():
        raise NotTaken("a variable is a file that is not in the folder of the suite")
    if file.suffix.lower() not in _TEXT_FILES or file.stat().st_size > _FILE_BYTES_MAX:
        raise NotTaken("a variable is a file that is no text of at most 1 MiB")
    try:
        return file.read_text("utf-8").strip()
    except UnicodeDecodeError:
        raise NotTaken("a variable is a file that is no text of at most 1 MiB") from None


def _put_in(value: Any, variables: Raw) -> Any:
    """A text with the plain variables that it names."""
    if not isinstance(value, str) or not any(sign in value for sign in _OTHER):
        return value

    def known(found: re.Match[str]) -> str:
        said = variables.get(found[1])
        if not isinstance(said, str | int | float) or isinstance(said, bool):
            raise NotTaken("a template that only promptfoo can fill in")
        return str(said)

    text = _VARIABLE.sub(known, value)
    if any(sign in text for sign in _OTHER):
        raise NotTaken("a template that only promptfoo can fill in")
    return text


def expected_of(test: Raw, unread: Counter[str]) -> Raw:
    """What a test expects: only what an answer must equal; other asserts are told as unread."""
    equal: list[Any] = []
    for check in test.get("assert") or ():
        kind = check.get("type") if isinstance(check, dict) else check
        if kind in _EQUAL and check.get("value") is _UNFILLED:
            unread[f"assert {kind} with a file or template"] += 1
        elif kind in _EQUAL and not equal:
            equal.append(check.get("value"))
        else:
            unread[f"assert {str(kind)[:40]}"] += 1
    return {"output": equal[0]} if equal else {}


def from_row(row: Raw, unread: Counter[str]) -> Case:
    """A line of promptfoo's CSV: variables by name, and what is expected in `__expected`."""
    given = {name: value for name, value in row.items() if not name.startswith("__")}
    expected: Raw = {}
    slices = {}
    for name, value in row.items():
        if name.startswith("__metadata:"):
            slices[name.removeprefix("__metadata:")] = str(value)
        elif name.startswith("__expected") and value is _UNFILLED:
            unread[f"{name} with a file or template"] += 1
        elif name.startswith("__expected"):
            kind, _, rest = str(value).partition(":")
            # Without a known word in front, the text itself is what the answer must equal.
            is_other = bool(rest) and kind.replace("-", "").isalpha() and kind != "equals"
            if is_other or expected:
                unread[f"assert {kind[:40]}"] += 1
            else:
                expected = {"output": rest.strip() if kind == "equals" and rest else value}
        elif name.startswith("__"):
            unread[name] += 1
    return Case("", given, expected, slices)


def _merged(default: Raw, test: Any) -> Any:
    if not isinstance(test, dict) or not default:
        return test
    merged = default | test
    for part in ("vars", "metadata"):
        below, above = default.get(part), test.get(part)
        if isinstance(below, dict):
            merged[part] = below | above if isinstance(above, dict) else below
    options = test.get("options") or {}
    if not (isinstance(options, dict) and options.get("disableDefaultAsserts")):
        merged["assert"] = [*(default.get("assert") or ()), *(test.get("assert") or ())]
    return merged


def _expanded(test: Any) -> Iterator[Any]:
    """A variable with a list of values stands for one test for each of them."""
    variables = test.get("vars") if isinstance(test, dict) else None
    if not isinstance(variables, dict):
        yield test
        return
    options = test.get("options") or {}
    keeps_lists = isinstance(options, dict) and options.get("disableVarExpansion")
    values = [
        value if isinstance(value, list) and value and not keeps_lists else [value]
        for value in variables.values()
    ]
    if prod(len(each) for each in values) > _COMBINATIONS_MAX:
        raise Invalid(
            "dataset_too_large",
            f"The lists in `vars` of one test make more than {_COMBINATIONS_MAX:,} cases",
            hint="Split the test.",
        )
    for chosen in product(*values):
        yield test | {"vars": dict(zip(variables, chosen, strict=True))}
