"""Reads the tests of a promptfoo configuration as it runs them itself."""

from collections import Counter
from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

from lineside.core import Invalid
from lineside.evals.dataset import Case

_EQUAL = ("equals", "is-json-equal")
_KNOWN = ("tests", "defaultTest", "scenarios")
_COMBINATIONS_MAX = 10_000

Raw = dict[str, Any]


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


def expected_of(test: Raw, unread: Counter[str]) -> Raw:
    """What a test expects: only what an answer must equal; other asserts are told as unread."""
    equal: list[Any] = []
    for check in test.get("assert") or ():
        kind = check.get("type") if isinstance(check, dict) else check
        if kind in _EQUAL and not equal:
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
