"""The line itself: a folder goes in, and comes out tested, released or refused."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lineside.apps import queries
from lineside.apps.app import SERVABLE_KINDS, App, open_app
from lineside.apps.candidate import Candidate, build_candidate, get_candidate
from lineside.apps.release import Release, keep_release
from lineside.apps.rollout import live_release
from lineside.core import Denied, Settings
from lineside.evals import (
    Comparison,
    GateOutcome,
    Run,
    compare,
    get_run,
    judge_gate,
    keep_dataset,
    read_dataset,
    register_runner,
    start_run,
)
from lineside.gateway import ModelReply
from lineside.store import Store, open_store
from lineside.traces import open_traces
from lineside.trust import Scope
from lineside.usecases import UseCaseFolder, register

Progress = Callable[[str, Run | None], None]
"""Told what happens: a station's name, and the run while cases are judged."""

_POLL_SECONDS = 0.1


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
    register_runner(store, lambda run: _Judged(store, run))
    return store


def judge_folder(
    scope: Scope,
    folder: UseCaseFolder,
    *,
    fresh: bool = False,
    progress: Progress = lambda _station, _run: None,
) -> Tested:
    """Build the candidate, judge it over its dataset, and ask the gate for a verdict.

    A run over the same content and the same cases is not repeated unless `fresh`; one that a dead
    process left unfinished is finished, and no case is judged twice.
    """
    scope.require("test", use_case=folder.manifest.name)
    register(scope, folder)
    progress("Fit the model", None)
    candidate = build_candidate(scope, folder)
    run = _judge(scope, folder, candidate, fresh=fresh, progress=progress)
    baseline = live_release(scope, folder.manifest.name)
    baseline_run = None
    if baseline is not None and baseline.digest != candidate.digest:
        live = get_candidate(scope.store, scope.workspace, baseline.digest)
        progress(f"Judge what is live ({baseline.label})", None)
        baseline_run = _judge(scope, folder, live, fresh=False, progress=progress)
    progress("Ask the gate", None)
    rules = folder.manifest.tests.gate
    gate = judge_gate(scope, run, rules, baseline_run=baseline_run)
    comparison = None
    if baseline_run is not None and baseline_run.cases_failed < baseline_run.cases_total:
        comparison = compare(scope, baseline_run.id, run.id)
    return Tested(candidate, run, gate, baseline if baseline_run else None, comparison)


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
            hint="It can be checked and kept as a plan; apps of kind `predict` can be released.",
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
    scope: Scope, folder: UseCaseFolder, candidate: Candidate, *, fresh: bool, progress: Progress
) -> Run:
    tests = folder.manifest.tests
    dataset = read_dataset(
        tests.dataset,
        folder.path / tests.dataset if folder.path else folder.read_file(tests.dataset),
        input_schema=folder.input_schema,
        output_schema=folder.output_schema,
        bytes_max=scope.store.settings.dataset_bytes_max,
    )
    kept = keep_dataset(scope, folder.manifest.name, dataset)
    run = start_run(
        scope,
        use_case=folder.manifest.name,
        subject=candidate.digest,
        dataset=kept,
        scorers=folder.scorers,
        scorer_files=folder.files,
        fresh=fresh,
    )
    while run.status == "running":
        progress("Judge the cases", run)
        time.sleep(_POLL_SECONDS)
        if scope.store.jobs.is_done(run.id):
            # The job's own end is the truth; a handler that broke raises here what broke it.
            scope.store.jobs.result(run.id)
            run = get_run(scope, run.id)
            break
        run = get_run(scope, run.id)
    progress("Judge the cases", run)
    return run


class _Judged:
    """The candidate of a run, opened when the first case asks for it."""

    def __init__(self, store: Store, run: Run) -> None:
        self._store = store
        self._run = run
        self._app: App | None = None

    async def __call__(self, payload: Mapping[str, Any]) -> ModelReply:
        if self._app is None:
            candidate = get_candidate(self._store, self._run.workspace, self._run.subject)
            self._app = open_app(self._store, candidate)
        return await self._app.answer(payload)

    async def close(self) -> None:
        if self._app is not None:
            await self._app.close()
