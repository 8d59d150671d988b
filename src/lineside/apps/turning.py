"""Users turn their knobs: within the range, with evidence, and written down."""

from typing import Any, NamedTuple

from lineside.apps import queries
from lineside.apps.knobs import turn_knobs
from lineside.apps.knobs_now import KnobNow, KnobsNow
from lineside.apps.rollout import Rollout, load_rollouts
from lineside.core import Denied, now
from lineside.store import Store
from lineside.trust import Scope, keyed_digests, record


class Live(NamedTuple):
    """A rollout, with marks that move when a knob is turned or proved."""

    rollout: Rollout
    turns: int
    proofs: str


class Turned(NamedTuple):
    """What one user turned, what was proved of a release, and a mark of both.

    Attributes:
        last: Number of the user's last turn.
    """

    values: dict[str, Any]
    proved: list[tuple[str, Any]]
    last: int


def load_live(scope: Scope, use_case: str) -> Live | None:
    """What is live, or nothing; asks the database."""
    found = load_rollouts(scope, use_case, limit=1)
    if not found:
        return None
    with scope.store.records.read() as connection:
        turns, proved_at = queries.knob_marks(connection, scope.workspace, use_case)
    return Live(found[0], turns, proved_at.isoformat() if proved_at else "")


def load_turned(scope: Scope, use_case: str, release_id: str, digest: str | None) -> Turned:
    """What the user of this digest turned, and what may be turned to; asks the database."""
    with scope.store.records.read() as connection:
        proofs = queries.proof_rows(connection, scope.workspace, use_case, release_id)
        turns = queries.turn_rows(connection, scope.workspace, use_case, digest) if digest else []
    newest = {(row["knob"], str(row["value"])): row for row in proofs}
    return Turned(
        values={row["knob"]: row["value"] for row in turns if row["value"] is not None},
        proved=[
            (row["knob"], row["value"]) for row in newest.values() if row["decision"] == "ship"
        ],
        last=max((row["number"] for row in turns), default=0),
    )


def user_digest(known: keyed_digests.KeyedDigests, use_case: str, user: str) -> str:
    """What stands for a user in tables and ledger; another in each use case."""
    return known.of("knobs", use_case, user)


def refuse_unproved(now: KnobsNow, name: str, value: Any) -> KnobNow:
    """Give the knob of that name where its release has evidence for the value.

    Raises:
        Denied: It has none; says what is offered and how to test more.
    """
    mine = next(one for one in now.knobs if one.knob.name == name)
    if value not in mine.offered:
        offered = ", ".join(map(str, mine.offered))
        raise Denied(
            "knob_not_proved",
            f"Nobody has tested {now.release} with `{name}` at `{value}`; offered: {offered}",
            hint=f"Test it: `lineside knobs prove {now.use_case} {name}={value}`.",
        )
    return mine


def keep_turn(scope: Scope, before: KnobsNow, name: str, value: Any) -> None:
    """Leave a user's knob at a value until they turn it again, and write that into the ledger.

    Args:
        before: What the knobs of the user stand at, whose they are.
        value: Nothing gives the knob back to the operator.

    Raises:
        Invalid: No knob has this name, or the value is outside its range.
        Denied: The knob is not a user's, or there is no evidence that this value is good.
    """
    declared = [one.knob for one in before.knobs]
    turned = next((one for one in before.knobs if one.knob.name == name), None)
    asked = turned.knob.default if turned and value is None else value
    turn_knobs(declared, {name: asked}, who="user")
    mine = refuse_unproved(before, name, asked)
    values = {
        "use_case": before.use_case,
        "user_digest": before.user_digest,
        "knob": name,
        "value": value,
        "turned_at": now(),
        "turned_by": scope.actor.name,
    }
    details = {"use_case": before.use_case, "release": before.release, "user": before.user_digest}
    details |= {"knob": name, "value": value, "before": mine.value}
    with scope.store.records.write() as connection:
        queries.lock_turns(connection, scope.workspace, before.use_case)
        queries.replace_turn(connection, scope.workspace, values)
        record(connection, scope, "knob.turned", before.release_id, details)


def erase_turns(store: Store, workspace: str, user: str, *, only_look: bool) -> int:
    """Forget where a user left their knobs, or only count it, in every use case.

    The ledger keeps that somebody turned them, under a digest that leads nowhere any more but
    for whoever has the installation's key and the name.
    """
    with store.records.read() as connection:
        use_cases = queries.turned_use_cases(connection, workspace)
    if not use_cases:
        return 0
    known = keyed_digests.open_digests(store, workspace)
    erased = 0
    for use_case in use_cases:
        whose = workspace, use_case, user_digest(known, use_case, user)
        if only_look:
            with store.records.read() as connection:
                erased += len(queries.turn_rows(connection, *whose))
        else:
            with store.records.write() as connection:
                queries.lock_turns(connection, workspace, use_case)
                erased += queries.erase_turns(connection, *whose)
    return erased
