"""An immutable version of an app, and the word of the gate on it."""

from datetime import datetime
from typing import Literal

from lineside.apps import queries
from lineside.apps.candidate import Candidate
from lineside.core import NotFound, Record, clock, did_you_mean, new_id, now
from lineside.evals import GateOutcome
from lineside.trust import Scope, record


class Override(Record):
    """Who released what a gate had refused, when and why."""

    by: str
    reason: str
    at: datetime


class Release(Record):
    """A candidate that went through the gate, with what the gate said.

    Attributes:
        number: Counts the released ones of a use case from 1; nothing for a refused one.
        status: `released` may be deployed, `refused` never is, unless a person overrules the gate.
        digest: Content address over everything it holds.
        files: Relative path to the digest of its bytes.
        artefact: Digest of the fitted model, if there is one.
        run_id: The run it was judged by.
        baseline_id: The release that was live then, which it was compared with.
        gate: Each rule with its finding.
        override: Whose word stands against the gate's, where it had refused.
    """

    id: str
    use_case: str
    number: int | None
    status: Literal["released", "refused"]
    digest: str
    files: dict[str, str]
    artefact: str | None
    model: str
    kind: str
    run_id: str
    baseline_id: str | None
    gate: GateOutcome
    created_at: datetime
    created_by: str
    override: Override | None = None

    @property
    def label(self) -> str:
        """What people call it: `v3`, or a refused candidate by when it was refused."""
        if self.number:
            return f"v{self.number}"
        return f"refused {clock.day(self.created_at)}"


def keep_release(
    scope: Scope, candidate: Candidate, *, run_id: str, gate: GateOutcome, baseline: Release | None
) -> Release:
    """Write the gate's word down: a release or a refusal, together with its ledger entry."""
    is_released = gate.verdict.decision == "ship"
    with scope.store.records.write() as connection:
        number = None
        if is_released:
            queries.lock_use_case(connection, scope.workspace, candidate.use_case)
            number = queries.next_number(connection, scope.workspace, candidate.use_case)
        release = Release(
            id=new_id("rel"),
            number=number,
            status="released" if is_released else "refused",
            run_id=run_id,
            baseline_id=baseline.id if baseline else None,
            gate=gate,
            created_by=scope.actor.name,
            **candidate.model_dump(exclude={"created_at"}),
            created_at=now(),
        )
        queries.insert_release(connection, scope.workspace, release.model_dump(mode="python"))
        record(
            connection,
            scope,
            "release.created" if is_released else "release.refused",
            release.id,
            {
                "use_case": release.use_case,
                "release": release.label,
                "digest": release.digest,
                "verdict": gate.verdict.decision,
                "why": gate.verdict.sentence,
                "run": run_id,
            },
        )
    return release


def pick_release(releases: list[Release], use_case: str, reference: str) -> Release:
    """The one of these that is meant; see `get_release`."""
    wanted = reference.removeprefix("sha256:")
    for release in releases:
        if reference == "latest" and release.status == "released":
            return release
        if reference in (release.id, f"v{release.number}"):
            return release
        if len(wanted) >= 6 and release.digest.removeprefix("sha256:").startswith(wanted):
            return release
    labels = [
        release.label if release.number else f"{release.label} ({release.digest[7:13]})"
        for release in releases
    ]
    near = did_you_mean(reference, labels)
    raise NotFound(
        "unknown_release",
        f"`{use_case}` has no release `{reference}`; it has: {', '.join(labels[:10]) or 'none'}",
        hint=f"Did you mean `{near}`?"
        if near
        else "Make one with `lineside release` in its folder.",
    )


def get_release(scope: Scope, reference: str, *, use_case: str | None = None) -> Release:
    """Find a release by its id, or within a use case also by number, digest or `latest`.

    Args:
        reference: An id; with a use case also `v2`, the start of a digest, or `latest`.

    Raises:
        NotFound: No release fits; names those there are.
    """
    if use_case is not None:
        scope.require("read", use_case=use_case)
        return pick_release(load_releases(scope, use_case), use_case, reference)
    release = load_release(scope, reference)
    scope.require("read", use_case=release.use_case)
    return release


def load_release(scope: Scope, release_id: str) -> Release:
    """The same for the room's own work, which has its own right to ask for."""
    with scope.store.records.read() as connection:
        row = queries.release_row(connection, scope.workspace, release_id)
    if row is None:
        raise NotFound("unknown_release", f"There is no release `{release_id[:64]}`")
    return Release.model_validate(row)


def list_releases(scope: Scope, use_case: str | None = None, *, limit: int = 200) -> list[Release]:
    """Releases and refusals, newest first."""
    scope.require("read", use_case=use_case)
    return load_releases(scope, use_case, limit=limit)


def load_releases(scope: Scope, use_case: str | None, *, limit: int = 200) -> list[Release]:
    """The same for the room's own work."""
    with scope.store.records.read() as connection:
        rows = queries.release_rows(connection, scope.workspace, use_case, limit=limit)
    return [Release.model_validate(row) for row in rows]
