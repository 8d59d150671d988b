"""The line itself: a folder goes in, and comes out tested, released or refused."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from lineside.apps import queries
from lineside.apps.answers import register_indexing
from lineside.apps.app import SERVABLE_KINDS, App, open_app
from lineside.apps.batches import register_batches
from lineside.apps.candidate import Candidate, build_candidate, get_candidate
from lineside.apps.knobs import read_subject, settings_of
from lineside.apps.live_release import live_release
from lineside.apps.release import Release, keep_release
from lineside.apps.turning import erase_turns
from lineside.core import Denied, NotFound, Settings
from lineside.evals import (
    Comparison,
    GateOutcome,
    Run,
    dataset,
    datasets,
    forecast,
    judge_gate,
    keep_dataset,
    plan,
    read_dataset,
    register_runner,
    running,
    start_run,
)
from lineside.gateway import CalledFor, ModelReply, budgets, cache, called_for, stored
from lineside.store import Store, open_store
from lineside.traces import open_traces
from lineside.trust import Scope
from lineside.usecases import UseCaseFolder, register

Progress = Callable[[str, Run | None], None]
"""Told what happens: a station's name, and the run while cases are judged."""


class Tested(NamedTuple):
    """What the test station found.

    Attributes:
        baseline: The live release, when the gate compared with it.
        comparison: Candidate against live on accuracy-like scores, when both were run.
    """

    candidate: Candidate
    run: Run
    gate: GateOutcome
    baseline: Release | None
    comparison: Comparison | None


class Terms(NamedTuple):
    """How the runs of one test are done."""

    repetitions: int
    plan: plan.RunPlan


class Released(NamedTuple):
    """What the release station did.

    Attributes:
        is_new: False when this very content was released, or refused for the same run, before.
    """

    release: Release
    is_new: bool


def open_line(settings: Settings) -> Store:
    """Open the state folder with everything in place to test, release and serve."""
    store = open_store(settings)
    open_traces(store)
    cache.keep_in_order(store)
    stored.keep_in_order(store)
    budgets.keep_in_order(store)
    register_indexing(store)
    register_runner(store, lambda run: _opened(store, run))
    register_batches(store)
    store.keepers["knob settings"] = partial(erase_turns, store)
    return store


def judge_folder(
    scope: Scope,
    folder: UseCaseFolder,
    *,
    fresh: bool = False,
    progress: Progress = lambda _station, _run: None,
    limits: plan.RunLimits | None = None,
    repetitions: int | None = None,
    stops_early: bool = False,
) -> Tested:
    """Build the candidate, judge it over its dataset, and ask the gate for a verdict.

    A run over the same content and the same cases is not repeated unless `fresh`; one that a dead
    process left unfinished is finished, and no case is judged twice.

    Args:
        repetitions: In place of `tests.repetitions`.
        stops_early: End the candidate's run as soon as the gate's rules are settled.
    """
    scope.require("test", use_case=folder.manifest.name)
    register(scope, folder)
    progress("Fit the model", None)
    candidate = build_candidate(scope, folder)
    rules = folder.manifest.tests.gate
    terms = Terms(
        _repetitions(folder, repetitions), plan.RunPlan(limits=limits or plan.RunLimits())
    )
    baseline = live_release(scope, folder.manifest.name)
    baseline_run = None
    if baseline is not None and baseline.digest != candidate.digest:
        live = get_candidate(scope.store, scope.workspace, baseline.digest)
        progress(f"Judge what is live ({baseline.label})", None)
        baseline_run = _judge(scope, folder, live, fresh=False, progress=progress, terms=terms)
    looks = {
        "rules": [rule.text for rule in rules],
        "baseline_run_id": baseline_run.id if baseline_run else None,
        "stops_early": stops_early,
    }
    terms = terms._replace(plan=terms.plan.model_copy(update=looks))
    run = _judge(scope, folder, candidate, fresh=fresh, progress=progress, terms=terms)
    progress("Ask the gate", None)
    gate = judge_gate(
        scope, run, rules, baseline_run=baseline_run, nothing_is_live=baseline_run is None
    )
    if taught := datasets.taught_cases(folder, lambda: _dataset(scope, folder)):
        gate = gate.model_copy(update={"notes": [taught, *gate.notes]})
    comparison = running.compare_answered(scope, baseline_run, run)
    return Tested(candidate, run, gate, baseline if baseline_run else None, comparison)


def forecast_folder(
    scope: Scope,
    folder: UseCaseFolder,
    *,
    limits: plan.RunLimits | None = None,
    repetitions: int | None = None,
    fresh: bool = False,
) -> forecast.Forecast:
    """Say what testing a folder would cost and how long its cases would take; asks nothing.

    An embedded model is fitted for it, since a release is known by what was fitted.
    """
    candidate = build_candidate(scope, folder)
    app = folder.manifest.app
    return forecast.forecast_run(
        scope,
        use_case=folder.manifest.name,
        subject=candidate.digest,
        dataset=_dataset(scope, folder),
        repetitions=_repetitions(folder, repetitions),
        plan=plan.RunPlan(limits=limits or plan.RunLimits()),
        model=app.model.partition(":")[2] or None,
        prompt_characters=len(folder.read_file(app.prompt)) if app.prompt else 0,
        fresh=fresh,
        scorers=folder.scorers,
        scorer_files=folder.files,
    )


def release_folder(
    scope: Scope, folder: UseCaseFolder, *, progress: Progress = lambda _station, _run: None
) -> Released:
    """Test the folder and release it if its gate says ship; write a refusal down if it does not.

    Raises:
        Denied: Apps of this kind cannot serve yet.
    """
    scope.require("release", use_case=folder.manifest.name)
    kind = folder.manifest.app.kind
    if kind not in SERVABLE_KINDS:
        raise Denied(
            "kind_cannot_serve",
            f"`{folder.manifest.name}` is of kind `{kind}`, which this version cannot serve yet",
            hint="It can be checked and kept as a plan; only `predict` and `answer` can serve.",
        )
    tested = judge_folder(scope, folder, progress=progress)
    known = _known(scope, tested)
    if known is not None:
        return Released(known, is_new=False)
    release = keep_release(
        scope,
        tested.candidate,
        run_id=tested.run.id,
        gate=tested.gate,
        baseline=tested.baseline,
    )
    return Released(release, is_new=True)


def _repetitions(folder: UseCaseFolder, given: int | None) -> int:
    return folder.manifest.tests.repetitions if given is None else given


def _known(scope: Scope, tested: Tested) -> Release | None:
    """The release of this very content, or its refusal by the same run and baseline."""
    with scope.store.records.read() as connection:
        rows = queries.releases_of_digest(connection, scope.workspace, tested.candidate.digest)
    baseline_id = tested.baseline.id if tested.baseline else None
    for row in rows:
        release = Release.model_validate(row)
        is_same_refusal = (release.run_id, release.baseline_id) == (tested.run.id, baseline_id)
        if release.status == "released" or is_same_refusal:
            return release
    return None


def _judge(
    scope: Scope,
    folder: UseCaseFolder,
    candidate: Candidate,
    *,
    fresh: bool,
    progress: Progress,
    terms: Terms,
) -> Run:
    kept = keep_dataset(scope, folder.manifest.name, _dataset(scope, folder))
    run = start_run(
        scope,
        use_case=folder.manifest.name,
        subject=candidate.digest,
        dataset=kept,
        scorers=folder.scorers,
        scorer_files=folder.files,
        repetitions=terms.repetitions,
        plan=terms.plan,
        fresh=fresh,
    )
    return running.wait_for(scope, run, progress=lambda run: progress("Judge the cases", run))


def _dataset(scope: Scope, folder: UseCaseFolder) -> dataset.Dataset:
    tests = folder.manifest.tests
    return read_dataset(
        tests.dataset,
        folder.path / tests.dataset if folder.path else folder.read_file(tests.dataset),
        input_schema=folder.input_schema,
        output_schema=folder.output_schema,
        bytes_max=scope.store.settings.dataset_bytes_max,
    )


def _opened(store: Store, run: Run) -> "_Judged":
    """What a run judges.

    Raises:
        Unavailable: `program_ended` where that is a function of a program that was killed: better
            the run stops than that its cases fail one by one for nothing they did.
    """
    try:
        digest, settings = read_subject(run.subject)
        candidate = get_candidate(store, run.workspace, digest)
        return _Judged(store, run.workspace, candidate, settings)
    except NotFound:
        if not running.is_of_program(run):
            raise
        raise running.program_ended(run) from None


class _Judged:
    """The candidate of a run, whose app is opened when the first case asks for it."""

    def __init__(
        self, store: Store, workspace: str, candidate: Candidate, settings: Mapping[str, Any]
    ) -> None:
        self._store = store
        self._workspace = workspace
        self._candidate = candidate
        self._settings = settings
        self._app: App | None = None

    async def __call__(self, payload: Mapping[str, Any]) -> ModelReply:
        if self._app is None:
            self._app = open_app(self._store, self._candidate)
        knobs = settings_of(self._app.folder.manifest.knobs, self._settings, {})
        told = called_for.set(CalledFor(self._workspace))
        try:
            return await self._app.answer(payload, knobs=knobs)
        finally:
            called_for.reset(told)

    async def close(self) -> None:
        if self._app is not None:
            await self._app.close()
