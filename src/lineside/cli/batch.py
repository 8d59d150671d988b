"""`lineside batch`: every row of a file answered by a release."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Commands, json_option
from lineside.cli.output import local_time, note, print_json, print_table, say
from lineside.cli.place import scope_here, scope_on_line, use_case_named
from lineside.cli.progress import Gauge
from lineside.core import Invalid, clock

if TYPE_CHECKING:
    from lineside.apps import batches as batching
    from lineside.evals import plan
    from lineside.trust import Scope

_FLUSH_ROWS = 20_000
"""From so many rows on their traces are moved into the lake while they come."""
_FAILED = 1


class BatchCommands(Commands):
    """Takes `lineside batch USE_CASE FILE` for `lineside batch run USE_CASE FILE`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        is_known = args[0] in self.list_commands(ctx) or args[0].startswith("-")
        if not is_known and (len(args) > 1 or Path(args[0]).is_file()):
            args = ["run", *args]
        return super().resolve_command(ctx, args)


@click.group(
    cls=BatchCommands,
    examples=(
        "lineside batch support-triage messages.csv --out answers.parquet",
        "lineside batch list",
        "lineside batch resume batch_01k3abcdefghjkmnpqrstvwxyz --failed",
    ),
)
def batch() -> None:
    """Have every row of a CSV, JSON lines or Parquet file answered by a release.

    `lineside batch USE_CASE FILE` begins one. Rows go the way of live calls: through guards, knobs
    and budgets. A killed batch goes on where it was.
    """


@batch.command(
    "run",
    examples=(
        "lineside batch run support-triage messages.csv --limit 100",
        "lineside batch run support-triage messages.csv --map message=text --max-cost 5",
    ),
)
@click.argument("use_case", metavar="[USE_CASE]", required=False)
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False
)
@click.option("--release", metavar="RELEASE", help="Such as `v2`; without it what is live.")
@click.option("--out", type=click.Path(path_type=Path), help="Results: .csv, .jsonl or .parquet.")
@click.option("--concurrency", type=click.IntRange(1, 64), help="Rows asked at once.")
@click.option("--max-cost", type=click.FloatRange(min=0, min_open=True), help="US dollars in all.")
@click.option("--max-minutes", type=click.FloatRange(min=0, min_open=True), help="Of work in all.")
@click.option("--limit", type=click.IntRange(min=1), help="Only so many rows from the beginning.")
@click.option("--map", "mapped", multiple=True, metavar="FIELD=COLUMN", help="Where names differ.")
@click.option("--fresh", is_flag=True, help="Ask again what this release answered before.")
@json_option
def run_one(
    use_case: str | None,
    file: str | None,
    release: str | None,
    out: Path | None,
    concurrency: int | None,
    max_cost: float | None,
    max_minutes: float | None,
    limit: int | None,
    mapped: tuple[str, ...],
    fresh: bool,
    as_json: bool,
) -> int:
    """Answer every row of a file, and wait for it."""
    from lineside.apps import batches as batching

    if file is None and use_case and Path(use_case).is_file():
        use_case, file = None, use_case
    if file is None:
        raise Invalid(
            "no_file", "No file was named", hint="As in `lineside batch support-triage rows.csv`."
        )
    if out is not None:
        batching.check_export(out)
    named = use_case_named(use_case)
    with scope_on_line() as scope:
        with Gauge("Read the rows") as reading:
            begun = batching.start_batch(
                scope,
                named,
                Path(file),
                release=release,
                mapping=dict(map(_pair, mapped)),
                limits=_limits(max_cost, max_minutes, concurrency),
                rows_max=limit,
                fresh=fresh,
                told=lambda rows: reading.tell(f"{rows:,} rows"),
            )
            reading.tell(f"{begun.rows_total:,} rows")
        if begun.is_reused:
            note(f"The same rows were given to {begun.release} before: this is `{begun.id}`")
        return _followed(scope, begun, out=out, as_json=as_json)


@batch.command("list", examples=("lineside batch list", "lineside batch list --json"))
@click.option("--use-case", metavar="NAME", help="Only of this use case.")
@json_option
def list_all(use_case: str | None, as_json: bool) -> None:
    """List batches, newest first."""
    from lineside.apps import batches as batching

    with scope_here() as scope:
        found = batching.list_batches(scope, use_case=use_case)
    if as_json:
        print_json([batching.state_of(one) for one in found])
    elif found:
        print_table(
            ("batch", "use case", "release", "file", "rows", "answered", "failed", "cost", "state"),
            [
                (
                    *(one.id, one.use_case, one.release, one.file),
                    *(f"{rows:,}" for rows in (one.rows_total, one.rows_answered, one.rows_failed)),
                    *(_cost(one), one.state),
                )
                for one in found
            ],
            numbers=("rows", "answered", "failed", "cost"),
            whole=("batch",),
        )
    else:
        note("No batches yet: `lineside batch USE_CASE rows.csv`")


@batch.command(examples=("lineside batch show batch_01k3abcdefghjkmnpqrstvwxyz",))
@click.argument("batch_id", metavar="ID")
@json_option
def show(batch_id: str, as_json: bool) -> None:
    """Show one batch: how far it is, what it cost, and why rows failed."""
    from lineside.apps import batches as batching

    with scope_here() as scope:
        found = batching.get_batch(scope, batch_id)
    _print(found, as_json=as_json)


@batch.command(examples=("lineside batch cancel batch_01k3abcdefghjkmnpqrstvwxyz",))
@click.argument("batch_id", metavar="ID")
@json_option
def cancel(batch_id: str, as_json: bool) -> None:
    """Ask no further row; what was answered is kept."""
    from lineside.apps import batches as batching

    with scope_here() as scope:
        found = batching.cancel_batch(scope, batch_id)
    _print(found, as_json=as_json)


@batch.command(
    examples=(
        "lineside batch resume batch_01k3abcdefghjkmnpqrstvwxyz --max-cost 10",
        "lineside batch resume batch_01k3abcdefghjkmnpqrstvwxyz --failed",
    )
)
@click.argument("batch_id", metavar="ID")
@click.option("--failed", is_flag=True, help="Ask those again, too, that failed.")
@click.option("--out", type=click.Path(path_type=Path), help="Results: .csv, .jsonl or .parquet.")
@click.option("--concurrency", type=click.IntRange(1, 64), help="Rows asked at once.")
@click.option("--max-cost", type=click.FloatRange(min=0, min_open=True), help="US dollars in all.")
@click.option("--max-minutes", type=click.FloatRange(min=0, min_open=True), help="Of work in all.")
@json_option
def resume(
    batch_id: str,
    failed: bool,
    out: Path | None,
    concurrency: int | None,
    max_cost: float | None,
    max_minutes: float | None,
    as_json: bool,
) -> int:
    """Go on with a batch that was stopped, cancelled or killed, and wait for it."""
    from lineside.apps import batches as batching

    if out is not None:
        batching.check_export(out)
    limits = _limits(max_cost, max_minutes, concurrency)
    with scope_on_line() as scope:
        begun = batching.resume_batch(scope, batch_id, failed=failed, limits=limits)
        return _followed(scope, begun, out=out, as_json=as_json)


@batch.command(examples=("lineside batch export batch_01k3abcdefghjkmnpqrstvwxyz answers.parquet",))
@click.argument("batch_id", metavar="ID")
@click.argument("out", type=click.Path(path_type=Path))
@json_option
def export(batch_id: str, out: Path, as_json: bool) -> None:
    """Write what became of the rows into a file: .csv, .jsonl or .parquet."""
    from lineside.apps import batches as batching

    with scope_here() as scope, Gauge("Write the results") as writing:
        rows = batching.export_batch(
            scope, batch_id, out, told=lambda done: writing.tell(f"{done:,} rows")
        )
        writing.tell(f"{rows:,} rows")
    if as_json:
        print_json({"file": str(out), "rows": rows})
    else:
        say(f"Wrote {rows:,} rows to {out}")


@batch.command("remove", examples=("lineside batch remove batch_01k3abcdefghjkmnpqrstvwxyz",))
@click.argument("batch_id", metavar="ID")
@json_option
def remove(batch_id: str, as_json: bool) -> None:
    """Forget a batch with its rows, as they came and as they were answered; its traces stay."""
    from lineside.apps import batches as batching

    with scope_here() as scope:
        found = batching.remove_batch(scope, batch_id)
    if as_json:
        print_json(batching.state_of(found))
    else:
        say(f"Removed {found.id} with its {found.rows_total:,} rows")


def _followed(scope: "Scope", begun: "batching.Batch", *, out: Path | None, as_json: bool) -> int:
    """Wait for a batch with a bar, then write its results and say how it ended."""
    from lineside.apps import batches as batching

    if begun.rows_total >= _FLUSH_ROWS:
        scope.store.flushing.start()
    try:
        with Gauge("Answer the rows") as gauge:
            found = batching.wait_for_batch(
                scope,
                begun,
                progress=lambda now: gauge.tell(_so_far(now), now.rows_done, now.rows_total),
            )
            gauge.tell(_so_far(found))
    except KeyboardInterrupt:
        note(f"What was answered is kept; `lineside batch resume {begun.id}` goes on from there")
        raise
    if out is not None:
        rows = batching.export_batch(scope, found.id, out)
        note(f"Wrote {rows:,} rows to {out}")
    _print(found, as_json=as_json)
    return 0 if found.status == "done" else _FAILED


def _print(found: "batching.Batch", *, as_json: bool) -> None:
    from lineside.apps import batches as batching

    if as_json:
        print_json(batching.state_of(found))
        return
    say(f"{found.id}: {found.state}")
    say(f"{found.use_case} {found.release} on {found.file}, begun {local_time(found.started_at)}")
    rows = f"{found.rows_answered:,} of {found.rows_total:,} rows answered"
    say(f"{rows}, {found.rows_failed:,} failed")
    rate = found.rows_per_second
    pace = f", {rate:,.1f} rows/s" if rate else ""
    forecast = found.forecast_usd
    more = f", {forecast:.4g} USD for all rows" if forecast and found.status != "done" else ""
    say(f"Cost so far: {_cost(found)}{more}{pace}")
    if found.reason:
        say(f"Stopped: {found.reason}")
    for code, failure in found.failures.items():
        lines = ", ".join(f"{line:,}" for line in failure.lines)
        say(f"{failure.rows:,} × {code}: {failure.message} (line {lines})")
    if found.status in ("stopped", "cancelled"):
        note(f"`lineside batch resume {found.id}` goes on with the rest")
    elif found.rows_failed and found.status == "done":
        note(f"`lineside batch resume {found.id} --failed` asks those again that failed")


def _so_far(found: "batching.Batch") -> str:
    failed = f", {found.rows_failed:,} failed" if found.rows_failed else ""
    words = f"{found.rows_done:,} of {found.rows_total:,} rows{failed}"
    if found.rows_per_second:
        words += f", {found.rows_per_second:,.0f}/s"
    if found.spent.cost_usd:
        words += f", {found.spent.cost_usd:.3g} USD"
        forecast = found.forecast_usd
        words += f" of about {forecast:.3g}" if forecast and found.status == "running" else ""
    if found.seconds_left and found.seconds_left > 1:
        words += f", {clock.spell_duration(timedelta(seconds=found.seconds_left))} to go"
    return words


def _cost(found: "batching.Batch") -> str:
    unknown = f", {found.spent.cost_unknown:,} unknown" if found.spent.cost_unknown else ""
    return f"{found.spent.cost_usd:.4g} USD{unknown}"


def _limits(
    max_cost: float | None, max_minutes: float | None, concurrency: int | None
) -> "plan.RunLimits":
    from lineside.evals import plan

    return plan.RunLimits(
        cost_usd_max=max_cost,
        seconds_max=None if max_minutes is None else max_minutes * 60,
        concurrency_max=concurrency,
    )


def _pair(text: str) -> tuple[str, str]:
    field, sign, column = text.partition("=")
    if not sign or not field or not column:
        raise Invalid(
            "bad_mapping",
            f"`--map {text[:80]}` names no column",
            hint="As in `--map message=text`: input field, then column of the file.",
        )
    return field.strip(), column.strip()
