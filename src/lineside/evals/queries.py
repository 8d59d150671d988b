"""The tables of this room: datasets, runs and results."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from lineside.store import Document, Moment, metadata

datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("use_case", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("cases", sa.Integer, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.UniqueConstraint("workspace", "use_case", "name", "digest"),
    sa.UniqueConstraint("workspace", "use_case", "name", "version"),
)
runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("use_case", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("dataset_name", sa.Text, nullable=False),
    sa.Column("dataset_digest", sa.Text, nullable=False),
    sa.Column("scorers", Document, nullable=False),
    sa.Column("scorer_files", Document, nullable=False),
    sa.Column("scorers_digest", sa.Text, nullable=False),
    sa.Column("repetitions", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("cases_total", sa.Integer, nullable=False),
    sa.Column("cases_done", sa.Integer, nullable=False),
    sa.Column("cases_failed", sa.Integer, nullable=False),
    sa.Column("failures", Document, nullable=False),
    sa.Column("plan", Document, nullable=False),
    sa.Column("spent", Document, nullable=False),
    sa.Column("looks", Document, nullable=False),
    sa.Column("sheet", sa.Text),
    sa.Column("judges", Document),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("finished_at", Moment),
    sa.Column("created_by", sa.Text, nullable=False),
)
sa.Index(None, runs.c.workspace, runs.c.use_case, runs.c.id)
_KEY = ("workspace", "use_case", "subject", "dataset_digest", "scorers_digest", "repetitions")
_UNDER_WAY = sa.text("status = 'running'")
# Two who start the same run at the same moment get one run.
sa.Index(
    "uq_runs_under_way",
    *(runs.c[name] for name in _KEY),
    unique=True,
    sqlite_where=_UNDER_WAY,
    postgresql_where=_UNDER_WAY,
)
results = sa.Table(
    "results",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("repetition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("standing", sa.Integer, nullable=False),
    sa.Column("input", Document, nullable=False),
    sa.Column("expected", Document, nullable=False),
    sa.Column("output", Document),
    sa.Column("scores", Document, nullable=False),
    sa.Column("slices", Document, nullable=False),
    sa.Column("source", sa.Text),
    sa.Column("cluster", sa.Text),
    sa.Column("error_code", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("latency_ms", sa.Float),
    sa.Column("cost_usd", sa.Float),
    sa.Column("tokens_in", sa.BigInteger),
    sa.Column("tokens_out", sa.BigInteger),
    sa.Column("confidence", sa.Float),
    sa.Column("model", sa.Text),
    sa.Column("finished_at", Moment, nullable=False),
    sa.Column("recalled_from", sa.Text),
)
sa.Index(None, results.c.run_id, results.c.standing, results.c.position, results.c.repetition)

PAIR_MARK = "pair:"  # begins the subject of a run that compares two; lists leave those out
FAILED, WRONG, FINE = 0, 1, 2
"""Standings of a result, in the order in which a person should look at them."""

_SAMPLE_MAX = 2_000

Row = Mapping[str, Any]


def dataset_row(
    connection: sa.Connection, *, workspace: str, use_case: str, name: str, digest: str
) -> Row | None:
    query = sa.select(datasets).where(
        datasets.c.workspace == workspace,
        datasets.c.use_case == use_case,
        datasets.c.name == name,
        datasets.c.digest == digest,
    )
    return _first(connection, query)


def newest_version(connection: sa.Connection, *, workspace: str, use_case: str, name: str) -> int:
    query = sa.select(sa.func.coalesce(sa.func.max(datasets.c.version), 0)).where(
        datasets.c.workspace == workspace,
        datasets.c.use_case == use_case,
        datasets.c.name == name,
    )
    return int(connection.execute(query).scalar_one())


def insert_dataset(connection: sa.Connection, row: Row) -> bool:
    """Add a version; false when somebody else added it, or its number, a moment before."""
    return _insert_new(connection, datasets, [row]) == 1


def dataset_is_kept(connection: sa.Connection, *, workspace: str, digest: str) -> bool:
    query = sa.select(datasets.c.id).where(
        datasets.c.workspace == workspace, datasets.c.digest == digest
    )
    return connection.execute(query.limit(1)).first() is not None


def dataset_rows(
    connection: sa.Connection,
    *,
    workspace: str,
    use_case: str | None,
    name: str | None,
    only_newest: bool,
    limit: int,
) -> list[Row]:
    query = sa.select(datasets).where(datasets.c.workspace == workspace)
    if only_newest:
        newer = datasets.alias()
        key = ("workspace", "use_case", "name")
        is_same = (newer.c[part] == datasets.c[part] for part in key)
        query = query.where(~sa.exists().where(*is_same, newer.c.version > datasets.c.version))
    if use_case is not None:
        query = query.where(datasets.c.use_case == use_case)
    if name is not None:
        query = query.where(datasets.c.name == name)
    return _all(connection, query.order_by(datasets.c.id.desc()).limit(limit))


def named_dataset_row(
    connection: sa.Connection,
    *,
    workspace: str,
    dataset_id: str | None,
    use_case: str,
    name: str,
    version: int | None,
) -> Row | None:
    """One version by its id, or by use case, name and version; else the newest of that name."""
    query = sa.select(datasets).where(datasets.c.workspace == workspace)
    if dataset_id is not None:
        query = query.where(datasets.c.id == dataset_id)
    else:
        query = query.where(datasets.c.use_case == use_case, datasets.c.name == name)
    if version is not None:
        query = query.where(datasets.c.version == version)
    return _first(connection, query.order_by(datasets.c.version.desc()).limit(1))


def insert_run(connection: sa.Connection, row: Row) -> bool:
    """Add a run; false when the same run is under way already."""
    return _insert_new(connection, runs, [row]) == 1


def same_runs(connection: sa.Connection, key: Row, *, status: str) -> list[Row]:
    """Runs over the same subject, cases and scorers, newest first."""
    query = sa.select(runs).where(
        *(runs.c[name] == key[name] for name in _KEY), runs.c.status == status
    )
    return _all(connection, query.order_by(runs.c.id.desc()).limit(20))


def earlier_runs(
    connection: sa.Connection, *, workspace: str, use_case: str, subject: str, before: str
) -> list[Row]:
    """Id and scorers of runs of the same subject that have answers, newest first."""
    query = sa.select(runs.c.id, runs.c.scorers).where(
        runs.c.workspace == workspace,
        runs.c.use_case == use_case,
        runs.c.subject == subject,
        runs.c.id != before,
        runs.c.cases_done > runs.c.cases_failed,
    )
    return _all(connection, query.order_by(runs.c.id.desc()).limit(20))


class UsualAnswer(NamedTuple):
    """What an answer took on average; nothing where it is not known."""

    answers: int
    cost_usd: float | None
    tokens: float | None
    latency_ms: float | None


def usual_answer(
    connection: sa.Connection, *, workspace: str, use_case: str, subject: str
) -> UsualAnswer | None:
    """What the newest answers took: those of the subject, else those of its use case."""
    mine = sa.case((runs.c.subject == subject, 0), else_=1)
    query = (
        sa.select(runs.c.id)
        .where(
            runs.c.workspace == workspace,
            runs.c.use_case == use_case,
            runs.c.cases_done > runs.c.cases_failed,
            ~runs.c.subject.startswith(PAIR_MARK),
        )
        .order_by(mine, runs.c.id.desc())
    )
    run_id = connection.execute(query.limit(1)).scalar()
    if run_id is None:
        return None
    sample = (
        sa.select(results)
        .where(results.c.run_id == run_id, results.c.error_code.is_(None))
        .limit(_SAMPLE_MAX)
        .subquery()
    )
    tokens = sample.c.tokens_in + sa.func.coalesce(sample.c.tokens_out, 0)
    row = connection.execute(
        sa.select(
            sa.func.count(),
            sa.func.avg(sample.c.cost_usd),
            sa.func.avg(tokens),
            sa.func.avg(sample.c.latency_ms),
        )
    ).one()
    means = [None if value is None else float(value) for value in row[1:]]
    return UsualAnswer(int(row[0]), *means) if row[0] else None


def answered_rows(
    connection: sa.Connection,
    run_ids: Sequence[str],
    *,
    repetition: int,
    case_ids: Sequence[str],
    with_scores: bool,
) -> list[Row]:
    """What these runs answered to some cases in one of their repetitions."""
    query = sa.select(
        results.c.run_id,
        results.c.case_id,
        results.c.input,
        results.c.output,
        results.c.expected if with_scores else sa.null().label("expected"),
        results.c.scores if with_scores else sa.null().label("scores"),
        *(results.c[name] for name in ("latency_ms", "cost_usd", "tokens_in", "tokens_out")),
        results.c.confidence,
        results.c.model,
        results.c.recalled_from,
    ).where(
        results.c.run_id.in_(run_ids),
        results.c.case_id.in_(case_ids),
        results.c.repetition == repetition,
        results.c.error_code.is_(None),
    )
    return _all(connection, query)


def run_row(connection: sa.Connection, *, workspace: str, run_id: str) -> Row | None:
    query = sa.select(runs).where(runs.c.workspace == workspace, runs.c.id == run_id)
    return _first(connection, query)


def run_rows(
    connection: sa.Connection, *, workspace: str, use_case: str | None, limit: int
) -> list[Row]:
    is_listed = ~runs.c.subject.startswith(PAIR_MARK)
    query = sa.select(runs).where(runs.c.workspace == workspace, is_listed)
    if use_case is not None:
        query = query.where(runs.c.use_case == use_case)
    return _all(connection, query.order_by(runs.c.id.desc()).limit(limit))


def update_run(connection: sa.Connection, run_id: str, **values: Any) -> bool:
    """Change a run that is under way; false when it is no longer."""
    query = runs.update().where(runs.c.id == run_id, runs.c.status == "running")
    return connection.execute(query.values(**values)).rowcount == 1


def insert_results(connection: sa.Connection, rows: Sequence[Row]) -> int:
    """Add results and return how many were new; a case judged before keeps its first result."""
    return _insert_new(connection, results, rows)


def judged_keys(connection: sa.Connection, run_id: str) -> Iterable[tuple[int, int]]:
    """Position and repetition of every result that a run has."""
    query = sa.select(results.c.position, results.c.repetition).where(results.c.run_id == run_id)
    for row in connection.execute(query):
        yield row.position, row.repetition


def count_results(connection: sa.Connection, run_id: str) -> list[tuple[str | None, int, str]]:
    """Error code, number of results and one message, for each error code and for none."""
    query = (
        sa.select(
            results.c.error_code,
            sa.func.count(),
            sa.func.coalesce(sa.func.min(results.c.error_message), ""),
        )
        .where(results.c.run_id == run_id)
        .group_by(results.c.error_code)
        .order_by(results.c.error_code)
    )
    return [(row[0], int(row[1]), row[2]) for row in connection.execute(query)]


def result_rows(
    connection: sa.Connection,
    run_id: str,
    *,
    standings: Sequence[int],
    after: tuple[int, int, int] | None,
    in_slice: tuple[str, str] | None,
    case_ids: Sequence[str] | None,
    limit: int,
) -> list[Row]:
    """Results with those to look at first in front."""
    place = (results.c.standing, results.c.position, results.c.repetition)
    query = sa.select(results).where(results.c.run_id == run_id, results.c.standing.in_(standings))
    if after is not None:
        query = query.where(sa.tuple_(*place) > sa.tuple_(*map(sa.literal, after)))
    if in_slice is not None:
        name, value = (orjson.dumps(word).decode() for word in in_slice)
        # Slices are kept as compact JSON of texts only, so a pair can be found by its spelling;
        # inside a text the same marks would be written with backslashes.
        text = sa.type_coerce(results.c.slices, sa.Text)
        query = query.where(text.contains(f"{name}:{value}", autoescape=True))
    if case_ids is not None:
        query = query.where(results.c.case_id.in_(case_ids))
    return _all(connection, query.order_by(*place).limit(limit))


class JudgedRow(NamedTuple):
    """What intervals are made from; results in the same slices share them."""

    case_id: str
    scores: dict[str, Any]
    slices: dict[str, str]
    cluster: str | None
    error_code: str | None
    asked: str


def judged_rows(connection: sa.Connection, run_id: str, *, with_input: bool) -> Iterable[JudgedRow]:
    """The results of a run, in the order of the dataset; what was asked can be large."""
    texts = [sa.type_coerce(one, sa.Text) for one in (results.c.input, results.c.expected)]
    query = (
        sa.select(
            results.c.case_id,
            results.c.scores,
            sa.type_coerce(results.c.slices, sa.Text),
            results.c.cluster,
            results.c.error_code,
            texts[0] + texts[1] if with_input else sa.literal(""),
        )
        .where(results.c.run_id == run_id)
        .order_by(results.c.position, results.c.repetition)
        .execution_options(yield_per=1000)
    )
    known: dict[str, dict[str, str]] = {}
    for case_id, scores, slices, *rest in connection.execute(query):
        if slices not in known:
            known[slices] = orjson.loads(slices)
        yield JudgedRow(case_id, scores, known[slices], *rest)


def _first(connection: sa.Connection, query: sa.Select[Any]) -> Row | None:
    row = connection.execute(query).first()
    return None if row is None else row._asdict()


def _all(connection: sa.Connection, query: sa.Select[Any]) -> list[Row]:
    return [row._asdict() for row in connection.execute(query)]


def _insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> int:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    query = dialect.insert(table).on_conflict_do_nothing()
    return connection.execute(query, [dict(row) for row in rows]).rowcount
