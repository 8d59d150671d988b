"""`lineside datasets keep`, `add-traces`, `duplicates`, `split`, `hold-out` and `unlock`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import local_time, note, print_json, say, short
from lineside.cli.place import scope_here, scope_on_line
from lineside.core import Invalid

if TYPE_CHECKING:
    from lineside.evals import datasets as _datasets

_GROUPS_SHOWN = 20

_dataset_argument = click.argument("dataset", metavar="DATASET")


@click.command("keep", cls=Spoken, examples=("lineside datasets keep cases.jsonl my-case/cases",))
@click.argument("place", metavar="FILE", type=click.Path(path_type=Path, exists=True))
@_dataset_argument
@json_option
def keep(place: Path, dataset: str, as_json: bool) -> None:
    """Keep the cases of a file as the next version of a dataset, without running a test.

    FILE may be of any tool that `lineside datasets import` knows. DATASET is `use-case/name`.
    """
    from lineside.evals import datasets as kept

    with scope_on_line() as scope:
        found = kept.importing.import_cases(place, bytes_max=scope.store.settings.dataset_bytes_max)
        version = kept.keep_as(scope, dataset, found.dataset)
    for reason, count in found.left_out.items():
        note(f"{count:,} left out: {reason}")
    for key, count in found.unread.items():
        note(f"`{key}` of {count:,} was not taken: cases have no place for it")
    _tell_version(version, as_json)


@click.command(
    "add-traces", cls=Spoken, examples=("lineside datasets add-traces 4bf92f3577b3 9a1c44f0",)
)
@click.argument("trace_ids", metavar="TRACE...", nargs=-1, required=True)
@click.option("--to", "dataset", metavar="DATASET", help="`use-case/name`; else of the first one.")
@json_option
def add_traces(trace_ids: tuple[str, ...], dataset: str | None, as_json: bool) -> None:
    """Make a case of each trace, once; what people corrected is what is expected.

    Without --to they go to `from-traces` of the first trace's use case. TRACE may be the first
    digits of an id.
    """
    from lineside.evals import datasets as kept
    from lineside.traces import search

    use_case, _, name = (dataset or "").partition("/")
    if dataset and not name:
        raise Invalid("bad_dataset", f"`{dataset[:80]}` is no dataset", hint="Use `use-case/name`.")
    with scope_on_line() as scope:
        found = kept.from_traces.add_traces(
            scope,
            [search.whole_id(scope, trace_id) for trace_id in trace_ids],
            use_case=use_case or None,
            name=name or kept.from_traces.FROM_TRACES,
        )
    if as_json:
        print_json(found)
        return
    if version := found.version:
        say(
            f"{len(found.added):,} added to {version.use_case}/{version.name}@{version.version}, "
            f"cases now: {version.cases:,}"
        )
    for trace_id, case_id in found.known.items():
        say(f"  {trace_id[:12]} is there already: {case_id}")
    for trace_id, reason in found.left_out.items():
        say(f"  {trace_id[:12]} left out: {reason}")


@click.command(
    "duplicates", cls=Spoken, examples=("lineside datasets duplicates my-case/cases --like 0.7",)
)
@_dataset_argument
@click.option(
    "--like",
    "at_least",
    default=0.8,
    show_default=True,
    type=click.FloatRange(0.5, 1),
    help="Share of pieces that two inputs have in common; 1 finds the same words only.",
)
@json_option
def duplicates(dataset: str, at_least: float, as_json: bool) -> None:
    """Find cases that ask the same or nearly, and leaks from one split to another.

    Exit code 1 when something leaks.
    """
    from lineside.evals import datasets as kept

    with scope_here() as scope:
        version = kept.find_dataset(scope, dataset)
        found = kept.duplicates.find_duplicates(scope, version, at_least=at_least)
        cases = kept.kept_cases(scope, version)
    if as_json:
        print_json(found)
    else:
        _show_groups(found, {case.id: short(case.input) for case in cases})
    if found.leaks:
        raise click.exceptions.Exit(1)


@click.command(
    "split",
    cls=Spoken,
    examples=("lineside datasets split my-case/cases --share train=80 --share test=20",),
)
@_dataset_argument
@click.option("--share", "shares", multiple=True, required=True, metavar="SPLIT=NUMBER")
@json_option
def split(dataset: str, shares: tuple[str, ...], as_json: bool) -> None:
    """Divide cases into splits, and keep that as the next version.

    Cases of one cluster, and those that ask the same, stay together. A case always gets the same
    split by the same shares.
    """
    from lineside.evals import datasets as kept

    with scope_here() as scope:
        version = kept.find_dataset(scope, dataset)
        version = kept.split_dataset(scope, version, dict(_share(text) for text in shares))
        makeup = kept.makeup_of(kept.kept_cases(scope, version))
    _tell_version(version, as_json)
    if not as_json:
        for name, count in makeup.splits.items():
            say(f"  {name}: {count:,}")


@click.command("hold-out", cls=Spoken, examples=("lineside datasets hold-out my-case/cases test",))
@_dataset_argument
@click.argument("split_name", metavar="SPLIT")
@json_option
def hold_out(dataset: str, split_name: str, as_json: bool) -> None:
    """Keep a split for the last exam: no run may have its cases before a person unlocks it."""
    from lineside.evals import datasets as kept

    with scope_here() as scope:
        part = kept.held_out.hold_out(scope, kept.find_dataset(scope, dataset), split_name)
    if as_json:
        print_json(part)
        return
    say(f"{part.cases:,} inputs of `{part.split}` are held out in {part.use_case}/{part.name}")
    note(f"The others: `lineside datasets export {part.use_case}/{part.name}`")


@click.command(
    "unlock",
    cls=Spoken,
    examples=('lineside datasets unlock my-case/cases test --reason "Exam of v3"',),
)
@_dataset_argument
@click.argument("split_name", metavar="SPLIT")
@click.option("--reason", required=True, help="What for; the ledger keeps it with your name.")
@click.option("--hours", default=24.0, show_default=True, help="How long it stays open.")
@json_option
def unlock(dataset: str, split_name: str, reason: str, hours: float, as_json: bool) -> None:
    """Open a held-out split for some hours; your name and reason stand in the ledger."""
    from lineside.evals import datasets as kept

    use_case, _, name = dataset.partition("@")[0].partition("/")
    with scope_here() as scope:
        part = kept.held_out.unlock(
            scope, use_case=use_case, name=name, split=split_name, reason=reason, hours=hours
        )
    if as_json:
        print_json(part)
        return
    say(f"`{part.split}` of {use_case}/{name} is open until {local_time(part.open_until)}")


def _tell_version(version: "_datasets.DatasetVersion", as_json: bool) -> None:
    if as_json:
        print_json(version)
        return
    say(f"{version.use_case}/{version.name}@{version.version}: {version.cases:,} cases")


def _share(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        return name, float(number)
    except ValueError:
        raise Invalid(
            "bad_share", f"`{text[:60]}` is no share", hint="Write it as `train=80`."
        ) from None


def _show_groups(found: "_datasets.duplicates.Duplicates", words: dict[str, str]) -> None:
    contradictions = sum(group.is_contradiction for group in found.groups)
    say(
        f"{found.cases:,} cases; groups that ask the same or nearly: {len(found.groups):,}, "
        f"leaks between splits: {found.leaks:,}, contradictions: {contradictions:,}"
    )
    for group in found.groups[:_GROUPS_SHOWN]:
        told = [f"{group.cases:,} cases", f"{group.similarity * 100:.0f} % alike"]
        told += [f"leaks: {', '.join(group.splits)}"] if group.is_leak else []
        told += ["expects different answers"] if group.is_contradiction else []
        say(", ".join(told))
        for case_id in group.case_ids[:5]:
            say(f"    {case_id}: {words.get(case_id, 'held out')}")
    if len(found.groups) > _GROUPS_SHOWN:
        note(f"{_GROUPS_SHOWN} groups are listed; --json has all")
