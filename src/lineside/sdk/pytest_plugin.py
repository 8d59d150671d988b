"""The pytest plugin: tests that hold a function against the rules of a gate.

It is loaded into every test run of an environment that has lineside, so nothing of lineside is
imported before a test asks for a verdict.
"""

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lineside.sdk.evaluation import Evaluation

_MARKER = (
    "lineside(dataset, scorers=(), *, gate, undecided='fail', **more): call the test for each "
    "`case` of a dataset, take what it returns for the answer, and fail unless the gate says ship; "
    "`more` is what `lineside.evaluate` takes"
)
_UNDECIDED = ("fail", "skip", "pass")
_VERDICT, _REPORT = "lineside_verdict", "lineside_report"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lineside")
    group.addoption(
        "--lineside-report",
        metavar="FOLDER",
        help="Write each verdict as HTML, Markdown and JSON into a folder, and all of them "
        "together into verdicts.md.",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)
    config.pluginmanager.register(_Verdicts(config), "lineside-verdicts")


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Any:
    """Input of the case to answer, in a test that is marked with `lineside`."""
    if request.node.get_closest_marker("lineside") is None:
        pytest.fail(
            "`case` stands only in tests marked with `@pytest.mark.lineside(…)`", pytrace=False
        )
    return None  # The call itself brings each case; see `pytest_pyfunc_call`.


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Have a marked test judged over its dataset instead of calling it once."""
    marker = pyfuncitem.get_closest_marker("lineside")
    if marker is None:
        return None
    _require_fit(pyfuncitem, marker)
    evaluation, undecided = _judged(pyfuncitem, *marker.args, **marker.kwargs)
    decision = evaluation.verdict.decision
    if decision == "more" and undecided == "skip":
        pytest.skip(evaluation.verdict.sentence)
    if decision == "hold" or (decision == "more" and undecided == "fail"):
        pytest.fail(evaluation.said(), pytrace=False)
    return True


def _require_fit(item: pytest.Function, marker: pytest.Mark) -> None:
    """Fail a test whose mark lacks its dataset, or says what `evaluate` does not know."""
    from lineside.sdk.evaluation import evaluate

    told = {name: value for name, value in marker.kwargs.items() if name != "undecided"}
    misfit = ""
    try:
        inspect.signature(evaluate).bind(item.obj, *marker.args, **told)
    except TypeError as error:
        misfit = str(error)
    if misfit:
        pytest.fail(
            f"`@pytest.mark.lineside(…)` does not fit: {misfit}\nhint: It takes the dataset and "
            "what `lineside.evaluate` takes, as in `@pytest.mark.lineside(CASES, gate=[…])`.",
            pytrace=False,
        )


def _judged(
    item: pytest.Function, dataset: Any, scorers: Any = (), *, undecided: str = "fail", **more: Any
) -> "tuple[Evaluation, str]":
    from lineside.core import LinesideError
    from lineside.sdk.evaluation import evaluate

    if undecided not in _UNDECIDED:
        raise pytest.UsageError(f"`undecided` is {undecided!r}, expected {', '.join(_UNDECIDED)}")
    if "dry_run" in more:
        raise pytest.UsageError("A test has a verdict, so `dry_run` cannot stand in its mark")
    if isinstance(dataset, str | Path):
        dataset = item.path.parent / dataset
    wanted = item._fixtureinfo.argnames  # what pytest itself calls the test with
    fixtures = {name: item.funcargs[name] for name in wanted if name != "case"}

    def answer(case: Any) -> Any:
        with _as_error():
            return item.obj(**fixtures, case=case)

    async def answer_awaited(case: Any) -> Any:
        with _as_error():
            return await item.obj(**fixtures, case=case)

    asked = answer_awaited if inspect.iscoroutinefunction(item.obj) else answer
    more = {"name": item.name.removeprefix("test_")} | more
    try:
        return evaluate(asked, dataset, scorers, **more), undecided
    except LinesideError as error:
        # A dataset, a rule or a limit cannot be used: what is wrong is in the mark, not in here.
        hint = f"\nhint: {error.hint}" if error.hint else ""
        pytest.fail(f"{error.message}{hint}", pytrace=False)


@contextmanager
def _as_error() -> Iterator[None]:
    """Have what fails or skips a test fail its case; to Python these are no errors."""
    try:
        yield
    except (pytest.fail.Exception, pytest.skip.Exception) as outcome:
        raise AssertionError(str(outcome)) from outcome


class _Verdicts:
    """Notes the verdicts of each test in its report, which a worker of xdist sends home."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._is_worker = hasattr(config, "workerinput")
        self._item: pytest.Item | None = None
        folder = config.getoption("--lineside-report")
        self._folder = Path(config.invocation_params.dir, folder) if folder else None
        self._written: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        from lineside.sdk import listening

        self._item = item
        listening.heard.append(self._note)
        try:
            return (yield)
        finally:
            listening.heard.remove(self._note)
            self._item = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self._written += [
                str(value) for name, value in report.user_properties if name == _REPORT
            ]

    def pytest_sessionfinish(self) -> None:
        if self._folder is None or self._is_worker or not self._written:
            return
        parts = [(self._folder / f"{stem}.md").read_text("utf-8") for stem in sorted(self._written)]
        (self._folder / "verdicts.md").write_text("\n".join(parts), "utf-8")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        reports = [report for found in terminalreporter.stats.values() for report in found]
        told = [
            (report.nodeid, value)
            for report in reports
            if getattr(report, "when", None) == "call"
            for name, value in report.user_properties
            if name == _VERDICT
        ]
        if told:
            terminalreporter.section("verdicts")
        for nodeid, sentence in sorted(told):
            terminalreporter.line(f"{nodeid}: {sentence}")

    def _note(self, evaluation: "Evaluation") -> None:
        item = self._item
        # What was judged without a gate was to be looked at, and decides nothing.
        if item is None or not evaluation.verdict.findings:
            return
        item.user_properties.append((_VERDICT, evaluation.verdict.sentence))
        item.user_properties.append(("lineside_run", evaluation.run.id))
        if self._folder is None:
            return
        number = sum(name == _VERDICT for name, _ in item.user_properties)
        stem = re.sub(r"[^\w.-]+", "-", item.nodeid).strip("-") + (
            f"-{number}" if number > 1 else ""
        )
        for suffix in (".html", ".md", ".json"):
            evaluation.save(self._folder / f"{stem}{suffix}")
        item.user_properties.append((_REPORT, stem))
