"""The pytest plugin, in a pytest of its own whose workers judge side by side."""

from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest_plugins = ["pytester"]

TESTS = """
import asyncio

import lineside
import pytest

ROWS = [{"input": f"{word} {n}", "expected": topic}
        for n in range(20) for word, topic in (("money", "refund"), ("parcel", "delivery"))]

@pytest.fixture
def word():
    return "money"

@pytest.mark.lineside("cases.jsonl", gate=["accuracy >= 0.80"])
def test_ships(case, word):
    assert set(case) == {"message"}
    return {"topic": "refund" if word in case["message"] else "delivery"}

@pytest.mark.lineside(ROWS, gate=["accuracy >= 0.80"])
def test_is_held(case):
    return "refund"

@pytest.mark.lineside(ROWS[:4], gate=["accuracy >= 0.80"], undecided="skip")
def test_has_too_few_cases(case):
    return "refund" if "money" in case else "delivery"

@pytest.mark.lineside(ROWS, gate=["accuracy >= 0.80"])
def test_a_case_that_fails_a_test_is_a_failed_case(case):
    pytest.fail("not like this")

@pytest.mark.lineside("cases.jsonl", gate=["accuracy >= 0.80"])
async def test_is_awaited(case, word):
    await asyncio.sleep(0)
    if "39" in case["message"]:
        pytest.fail("not this one")
    return {"topic": "refund" if word in case["message"] else "delivery"}

@pytest.mark.lineside("gone.jsonl", gate=["accuracy >= 0.80"])
def test_has_no_dataset(case):
    return "refund"

@pytest.mark.parametrize("answer", ["refund", "delivery"])
def test_by_hand(answer):
    lineside.evaluate(lambda _: answer, ROWS, name="hand", gate=["accuracy >= 0.20"]).check()

def test_without_the_mark(case):
    pass

@pytest.mark.lineside(gate=["accuracy >= 0.80"])
def test_forgets_its_dataset(case):
    return "refund"
"""
CASE = '{"input": {"message": "money %d"}, "expected": {"topic": "refund"}}\n'


@pytest.fixture
def suite(pytester: pytest.Pytester, made_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINESIDE_HOME", str(made_home))
    pytester.makepyfile(test_answers=TESTS)
    (pytester.path / "cases.jsonl").write_text("".join(CASE % n for n in range(40)))
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:langsmith_plugin -p no:phoenix\n")


def loaded() -> list[str]:
    """How the plugin is loaded where the package was installed before it had one."""
    is_installed = any(entry.name == "lineside" for entry in entry_points(group="pytest11"))
    return [] if is_installed else ["-p", "lineside.sdk.pytest_plugin"]


def test_workers_judge_side_by_side_and_the_first_process_tells_all(
    suite: None, pytester: pytest.Pytester
) -> None:
    ran = pytester.runpytest_subprocess(
        *loaded(), "-n2", "--junitxml=junit.xml", "--lineside-report=reports"
    )

    ran.assert_outcomes(passed=4, failed=4, skipped=1, errors=1)
    ran.stdout.fnmatch_lines_random(
        [
            "*Hold: accuracy is 50.0 %*",
            "test_answers.py::test_ships: Ship: accuracy is 100.0 %*",
            "test_answers.py::test_is_awaited: Ship: accuracy is 100.0 %*1 case failed*",
            "test_answers.py::test_by_hand?refund?: Ship: *",
            "test_answers.py::test_has_too_few_cases: Not enough data: *",
            "*none of 40 cases got an answer: not like this*",
            "*stands only in tests marked with*",
            "`@pytest.mark.lineside(…)` does not fit: missing a required argument: 'dataset'",
            "`gone.jsonl` cannot be read: No such file or directory",
            "hint: Check the path of the dataset; in a manifest it is `tests.dataset`.",
        ]
    )
    ran.stdout.no_fnmatch_line("*reading.py*")
    junit = ElementTree.parse(pytester.path / "junit.xml")  # noqa: S314 # written a moment ago
    told = {
        test.attrib["name"]: [item.attrib["value"] for item in test.iter("property")]
        for test in junit.iter("testcase")
    }
    assert told["test_is_held"][0].startswith("Hold: ")
    assert len({runs[1] for runs in told.values() if runs}) == 7
    files = {path.name for path in (pytester.path / "reports").iterdir()}
    assert {"verdicts.md", "test_answers.py-test_ships.html"} <= files
    together = (pytester.path / "reports" / "verdicts.md").read_text()
    assert together.count("\n### ") + together.startswith("### ") == 7


def test_the_plugin_is_declared_and_imports_nothing_before_it_is_used(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        "import sys\n\n\ndef test_nothing():\n"
        "    heavy = {'lineside.evals', 'lineside.store', 'numpy', 'opentelemetry', 'pydantic'}\n"
        "    assert not heavy & set(sys.modules)\n"
    )
    others = ("xdist", "langsmith_plugin", "phoenix")
    ran = pytester.runpytest_subprocess(*loaded(), *(f"-pno:{name}" for name in others))

    ran.assert_outcomes(passed=1)
    project = Path(__file__).parents[2] / "pyproject.toml"
    assert '\nlineside = "lineside.sdk.pytest_plugin"\n' in project.read_text()
