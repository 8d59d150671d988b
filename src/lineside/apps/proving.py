"""Evidence that a release is good at another setting than the one it was judged at."""

from datetime import datetime
from typing import Any, Literal

from lineside.apps import queries
from lineside.apps.knobs import parse_knob, subject_with, turn_knobs
from lineside.apps.line import Progress
from lineside.apps.rejudging import own_cases, release_to_judge
from lineside.core import Record, now
from lineside.evals import get_run, judge_gate, plan, running, start_run
from lineside.trust import Scope, record


class KnobProof(Record):
    """What the gate said of a release with one knob at another value.

    Attributes:
        decision: Only `ship` makes the value one that users are offered.
        sentence: The gate's verdict in words.
    """

    use_case: str
    release_id: str
    knob: str
    value: Any
    run_id: str
    decision: Literal["ship", "hold", "more"]
    sentence: str
    proved_at: datetime
    proved_by: str


def prove_knob(
    scope: Scope,
    use_case: str,
    name: str,
    text: str,
    *,
    reference: str | None = None,
    progress: Progress = lambda _station, _run: None,
) -> KnobProof:
    """Judge a release over its own cases with a knob at another value, by its own gate.

    Rules that compare with what is live compare with the same release at its defaults.

    Args:
        text: The value as it is typed.
        reference: A release as `get_release` takes it, else the live one.

    Raises:
        Invalid: No knob has this name, or the value is outside its range.
        Conflict: Nothing is live and no release is named.
    """
    release, folder = release_to_judge(scope, use_case, reference)
    knobs = folder.manifest.knobs
    settings = turn_knobs(knobs, {name: parse_knob(knobs, name, text)}, who="operator")
    judged = get_run(scope, release.run_id)
    run = start_run(
        scope,
        use_case=use_case,
        subject=subject_with(release.digest, settings),
        dataset=own_cases(scope, judged),
        scorers=folder.scorers,
        scorer_files=folder.files,
        plan=plan.RunPlan(
            rules=[rule.text for rule in folder.manifest.tests.gate], baseline_run_id=judged.id
        ),
    )
    run = running.wait_for(scope, run, progress=lambda run: progress("Judge the cases", run))
    progress("Ask the gate", None)
    gate = judge_gate(scope, run, folder.manifest.tests.gate, baseline_run=judged)
    proof = KnobProof(
        use_case=use_case,
        release_id=release.id,
        knob=name,
        value=settings[name],
        run_id=run.id,
        decision=gate.verdict.decision,
        sentence=gate.verdict.sentence,
        proved_at=now(),
        proved_by=scope.actor.name,
    )
    details = proof.model_dump(include={"use_case", "knob", "value", "run_id", "decision"})
    details |= {"release": release.label, "why": proof.sentence}
    with scope.store.records.write() as connection:
        queries.keep_proof(connection, scope.workspace, proof.model_dump())
        record(connection, scope, "knob.judged", release.id, details)
    return proof
