"""Candidates, releases and rollouts in SQL."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lineside.core import now
from lineside.store import Document, Moment, metadata

Connection = sa.Connection

candidates = sa.Table(
    "candidates",
    metadata,
    sa.Column("workspace", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("use_case", sa.Text, nullable=False),
    sa.Column("files", Document, nullable=False),
    sa.Column("artefact", sa.Text),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)

artefacts = sa.Table(
    "artefacts",
    metadata,
    sa.Column("workspace", sa.Text, primary_key=True),
    sa.Column("recipe", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)

releases = sa.Table(
    "releases",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("use_case", sa.Text, nullable=False),
    sa.Column("number", sa.Integer),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("files", Document, nullable=False),
    sa.Column("artefact", sa.Text),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("baseline_id", sa.Text),
    sa.Column("gate", Document, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("override", Document),
    sa.UniqueConstraint("workspace", "use_case", "number"),
)
sa.Index(None, releases.c.workspace, releases.c.use_case, releases.c.id)
sa.Index(None, releases.c.workspace, releases.c.digest)

rollouts = sa.Table(
    "rollouts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("use_case", sa.Text, nullable=False),
    sa.Column("arms", Document, nullable=False),
    sa.Column("knobs", Document, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("shadow", Document),
    sa.Column("experiment", sa.Text),
)
sa.Index(None, rollouts.c.workspace, rollouts.c.use_case, rollouts.c.id)

staged_rollouts = sa.Table(
    "staged_rollouts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("use_case", sa.Text, nullable=False),
    sa.Column("release_id", sa.Text, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("from_release_id", sa.Text, nullable=False),
    sa.Column("from_label", sa.Text, nullable=False),
    sa.Column("plan", Document, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("step_began_at", Moment, nullable=False),
    sa.Column("planned", sa.Integer, nullable=False),
    sa.Column("looks", Document, nullable=False),
    sa.Column("findings", Document, nullable=False),
    sa.Column("taken", Document, nullable=False),
    sa.Column("seen", Document, nullable=False),
    sa.Column("watched_at", Moment),
    sa.Column("trouble", sa.Text),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("ended_at", Moment),
    sa.Column("ended_by", sa.Text),
    sa.Column("ended_why", sa.Text),
    sa.Column("experiment", Document),
)
sa.Index(None, staged_rollouts.c.workspace, staged_rollouts.c.use_case, staged_rollouts.c.id)
sa.Index(None, staged_rollouts.c.status)

knob_turns = sa.Table(
    "knob_turns",
    metadata,
    sa.Column("workspace", sa.Text, primary_key=True),
    sa.Column("use_case", sa.Text, primary_key=True),
    sa.Column("user_digest", sa.Text, primary_key=True),
    sa.Column("knob", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("value", Document),
    sa.Column("turned_at", Moment, nullable=False),
    sa.Column("turned_by", sa.Text, nullable=False),
)
sa.Index(None, knob_turns.c.workspace, knob_turns.c.use_case, knob_turns.c.number)

knob_proofs = sa.Table(
    "knob_proofs",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("use_case", sa.Text, nullable=False),
    sa.Column("release_id", sa.Text, nullable=False),
    sa.Column("knob", sa.Text, nullable=False),
    sa.Column("value", Document, nullable=False),
    sa.Column("decision", sa.Text, nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("proved_at", Moment, nullable=False),
    sa.Column("proved_by", sa.Text, nullable=False),
)
sa.Index(None, knob_proofs.c.workspace, knob_proofs.c.use_case, knob_proofs.c.release_id)


def keep_candidate(connection: sa.Connection, workspace: str, values: dict[str, Any]) -> None:
    """Keep a candidate once; the same content built again changes nothing."""
    if candidate_row(connection, workspace, values["digest"]) is None:
        connection.execute(candidates.insert().values(workspace=workspace, **values))


def candidate_row(connection: sa.Connection, workspace: str, digest: str) -> dict[str, Any] | None:
    query = sa.select(candidates).where(
        candidates.c.workspace == workspace, candidates.c.digest == digest
    )
    return _one(connection, query)


def artefact_of(connection: sa.Connection, workspace: str, recipe: str) -> str | None:
    query = sa.select(artefacts.c.digest).where(
        artefacts.c.workspace == workspace, artefacts.c.recipe == recipe
    )
    return connection.execute(query).scalar()


def keep_artefact(connection: sa.Connection, workspace: str, recipe: str, digest: str) -> None:
    where = sa.and_(artefacts.c.workspace == workspace, artefacts.c.recipe == recipe)
    connection.execute(artefacts.delete().where(where))
    connection.execute(
        artefacts.insert().values(
            workspace=workspace, recipe=recipe, digest=digest, created_at=now()
        )
    )


def lock_use_case(connection: sa.Connection, workspace: str, use_case: str) -> None:
    """Let two releases of one use case at the same moment take their numbers in turn."""
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(f"release {workspace} {use_case}", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def next_number(connection: sa.Connection, workspace: str, use_case: str) -> int:
    query = sa.select(sa.func.max(releases.c.number)).where(
        releases.c.workspace == workspace, releases.c.use_case == use_case
    )
    return (connection.execute(query).scalar() or 0) + 1


def insert_release(connection: sa.Connection, workspace: str, values: dict[str, Any]) -> None:
    connection.execute(releases.insert().values(workspace=workspace, **values))


def release_refused(
    connection: sa.Connection, release_id: str, *, number: int, override: dict[str, Any]
) -> bool:
    """Make a release of a refusal; false when it is one already."""
    query = releases.update().where(releases.c.id == release_id, releases.c.status == "refused")
    values = {"status": "released", "number": number, "override": override}
    return connection.execute(query.values(**values)).rowcount == 1


def release_row(
    connection: sa.Connection, workspace: str, release_id: str
) -> dict[str, Any] | None:
    query = sa.select(releases).where(
        releases.c.workspace == workspace, releases.c.id == release_id
    )
    return _one(connection, query)


def release_rows(
    connection: sa.Connection, workspace: str, use_case: str | None, *, limit: int
) -> list[dict[str, Any]]:
    query = sa.select(releases).where(releases.c.workspace == workspace)
    if use_case is not None:
        query = query.where(releases.c.use_case == use_case)
    return _all(connection, query.order_by(releases.c.id.desc()).limit(limit))


def releases_of_digest(
    connection: sa.Connection, workspace: str, digest: str
) -> list[dict[str, Any]]:
    query = sa.select(releases).where(
        releases.c.workspace == workspace, releases.c.digest == digest
    )
    return _all(connection, query.order_by(releases.c.number.is_(None), releases.c.id.desc()))


def insert_rollout(connection: sa.Connection, workspace: str, values: dict[str, Any]) -> None:
    connection.execute(rollouts.insert().values(workspace=workspace, **values))


def rollout_rows(
    connection: sa.Connection, workspace: str, use_case: str, *, limit: int
) -> list[dict[str, Any]]:
    query = sa.select(rollouts).where(
        rollouts.c.workspace == workspace, rollouts.c.use_case == use_case
    )
    return _all(connection, query.order_by(rollouts.c.id.desc()).limit(limit))


def insert_staged(connection: sa.Connection, workspace: str, values: dict[str, Any]) -> None:
    connection.execute(staged_rollouts.insert().values(workspace=workspace, **values))


def staged_rows(
    connection: sa.Connection,
    workspace: str,
    use_case: str | None = None,
    *,
    statuses: tuple[str, ...] = (),
    limit: int = 100,
) -> list[dict[str, Any]]:
    query = sa.select(staged_rollouts).where(staged_rollouts.c.workspace == workspace)
    if use_case is not None:
        query = query.where(staged_rollouts.c.use_case == use_case)
    if statuses:
        query = query.where(staged_rollouts.c.status.in_(statuses))
    return _all(connection, query.order_by(staged_rollouts.c.id.desc()).limit(limit))


def staged_row(connection: sa.Connection, staged_id: str) -> dict[str, Any]:
    """One as it stands; nobody else changes it before the transaction ends."""
    query = sa.select(staged_rollouts).where(staged_rollouts.c.id == staged_id)
    return _all(connection, query.with_for_update())[0]


def change_staged(
    connection: sa.Connection,
    staged_id: str,
    revision: int,
    values: dict[str, Any],
    *,
    decides: bool = True,
) -> bool:
    """Change it unless somebody decided on it since it was read; say whether it was changed.

    Args:
        decides: Whether this is a decision, after which others must read it anew.
    """
    table = staged_rollouts
    query = table.update().where(table.c.id == staged_id, table.c.revision == revision)
    changed = query.values(**values, revision=revision + decides)
    return connection.execute(changed).rowcount == 1


def end_staged(
    connection: sa.Connection, workspace: str, use_case: str, *, status: str, by: str, why: str
) -> str | None:
    """End the one that is open, if one is, and say which it was."""
    table = staged_rollouts
    mine = table.c.workspace == workspace, table.c.use_case == use_case
    query = sa.select(table.c.id).where(*mine, table.c.ended_at.is_(None))
    found = connection.execute(query).scalar()
    if found is not None:
        values = {"status": status, "ended_at": now(), "ended_by": by, "ended_why": why}
        changed = table.update().where(table.c.id == found)
        connection.execute(changed.values(**values, revision=table.c.revision + 1))
    return found


def claim_watch(
    connection: sa.Connection, staged_id: str, *, before: datetime, at: datetime
) -> bool:
    """Take this round of watching, unless another server took it since `before`."""
    table = staged_rollouts
    is_due = sa.or_(table.c.watched_at.is_(None), table.c.watched_at <= before)
    query = table.update().where(table.c.id == staged_id, is_due)
    return connection.execute(query.values(watched_at=at)).rowcount == 1


def lock_turns(connection: sa.Connection, workspace: str, use_case: str) -> None:
    """Let two turns at the same moment take their numbers in turn, in the order they commit."""
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(f"turn {workspace} {use_case}", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def replace_turn(connection: sa.Connection, workspace: str, values: dict[str, Any]) -> None:
    """Keep where a user's knob stands now; numbers only ever rise within a use case."""
    mine = knob_turns.c.workspace == workspace, knob_turns.c.use_case == values["use_case"]
    last = connection.execute(sa.select(sa.func.max(knob_turns.c.number)).where(*mine)).scalar()
    one = [knob_turns.c[name] == values[name] for name in ("user_digest", "knob")]
    connection.execute(knob_turns.delete().where(*mine, *one))
    connection.execute(
        knob_turns.insert().values(workspace=workspace, number=(last or 0) + 1, **values)
    )


def turn_rows(
    connection: sa.Connection, workspace: str, use_case: str, user_digest: str
) -> list[dict[str, Any]]:
    query = sa.select(knob_turns).where(
        knob_turns.c.workspace == workspace,
        knob_turns.c.use_case == use_case,
        knob_turns.c.user_digest == user_digest,
    )
    return _all(connection, query.order_by(knob_turns.c.number))


def turned_use_cases(connection: sa.Connection, workspace: str) -> list[str]:
    query = sa.select(knob_turns.c.use_case).where(knob_turns.c.workspace == workspace)
    return list(connection.execute(query.distinct()).scalars())


def erase_turns(connection: sa.Connection, workspace: str, use_case: str, user_digest: str) -> int:
    """Delete what a user turned; servers hear of it by a turn of nobody's, numbered on."""
    mine = (
        knob_turns.c.workspace == workspace,
        knob_turns.c.use_case == use_case,
        knob_turns.c.user_digest == user_digest,
    )
    if connection.execute(sa.select(knob_turns.c.knob).where(*mine)).first() is None:
        return 0
    # First, since numbers must rise also where the newest is one of those that go.
    nobodys = {"use_case": use_case, "user_digest": "", "knob": "", "value": None}
    replace_turn(connection, workspace, nobodys | {"turned_at": now(), "turned_by": ""})
    return connection.execute(knob_turns.delete().where(*mine)).rowcount


def keep_proof(connection: sa.Connection, workspace: str, values: dict[str, Any]) -> None:
    """Keep what a run proved; the same run proves the same thing once."""
    connection.execute(knob_proofs.delete().where(knob_proofs.c.run_id == values["run_id"]))
    connection.execute(knob_proofs.insert().values(workspace=workspace, **values))


def proof_rows(
    connection: sa.Connection, workspace: str, use_case: str, release_id: str
) -> list[dict[str, Any]]:
    query = sa.select(knob_proofs).where(
        knob_proofs.c.workspace == workspace,
        knob_proofs.c.use_case == use_case,
        knob_proofs.c.release_id == release_id,
    )
    return _all(connection, query.order_by(knob_proofs.c.proved_at))


def knob_marks(
    connection: sa.Connection, workspace: str, use_case: str
) -> tuple[int, datetime | None]:
    """The number of the last turn and the moment of the last proof: they move with each change."""
    turned = sa.select(sa.func.max(knob_turns.c.number)).where(
        knob_turns.c.workspace == workspace, knob_turns.c.use_case == use_case
    )
    proved = sa.select(sa.func.max(knob_proofs.c.proved_at)).where(
        knob_proofs.c.workspace == workspace, knob_proofs.c.use_case == use_case
    )
    return connection.execute(turned).scalar() or 0, connection.execute(proved).scalar()


def _one(connection: sa.Connection, query: sa.Select[Any]) -> dict[str, Any] | None:
    rows = _all(connection, query)
    return rows[0] if rows else None


def _all(connection: sa.Connection, query: sa.Select[Any]) -> list[dict[str, Any]]:
    """Rows as the room's records take them; the workspace is the caller's own and left out."""
    found = []
    for row in connection.execute(query):
        values = dict(row._mapping)
        values.pop("workspace")
        found.append(values)
    return found
