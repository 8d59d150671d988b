"""Datasets, runs and results."""

import sqlalchemy as sa
from alembic import op

revision = "0004_evals"
down_revision = "0003_usecases"


def upgrade() -> None:
    _create_datasets()
    _create_runs()
    _create_results()


def _create_datasets() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("use_case", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("cases", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        *(
            sa.UniqueConstraint(
                "workspace",
                "use_case",
                "name",
                column,
                name=f"uq_datasets_workspace_use_case_name_{column}",
            )
            for column in ("digest", "version")
        ),
    )


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("use_case", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("dataset_name", sa.Text, nullable=False),
        sa.Column("dataset_digest", sa.Text, nullable=False),
        sa.Column("scorers", sa.Text, nullable=False),
        sa.Column("scorer_files", sa.Text, nullable=False),
        sa.Column("scorers_digest", sa.Text, nullable=False),
        sa.Column("repetitions", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("cases_total", sa.Integer, nullable=False),
        sa.Column("cases_done", sa.Integer, nullable=False),
        sa.Column("cases_failed", sa.Integer, nullable=False),
        sa.Column("failures", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("created_by", sa.Text, nullable=False),
    )
    op.create_index("ix_runs_workspace_use_case_id", "runs", ["workspace", "use_case", "id"])
    op.create_index(
        "uq_runs_under_way",
        "runs",
        ["workspace", "use_case", "subject", "dataset_digest", "scorers_digest", "repetitions"],
        unique=True,
        sqlite_where=sa.text("status = 'running'"),
        postgresql_where=sa.text("status = 'running'"),
    )


def _create_results() -> None:
    op.create_table(
        "results",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("case_id", sa.Text, primary_key=True),
        sa.Column("repetition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("standing", sa.Integer, nullable=False),
        sa.Column("input", sa.Text, nullable=False),
        sa.Column("expected", sa.Text, nullable=False),
        sa.Column("output", sa.Text),
        sa.Column("scores", sa.Text, nullable=False),
        sa.Column("slices", sa.Text, nullable=False),
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
        sa.Column("finished_at", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "ix_results_run_id_standing_position_repetition",
        "results",
        ["run_id", "standing", "position", "repetition"],
    )
