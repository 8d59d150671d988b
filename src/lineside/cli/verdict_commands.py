"""`lineside verdicts`: what runs say when they are held against each other."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import click

from lineside.cli.commands import Commands, Late, json_option
from lineside.cli.output import note, print_json, print_table, say
from lineside.cli.place import scope_here
from lineside.cli.run_named import run_named
from lineside.cli.verdicts import EXIT_CODES, amount, interval
from lineside.core import Invalid

if TYPE_CHECKING:
    from lineside.evals import pairwise
    from lineside.evals import verdicts as judged

_SLICES_SHOWN = 8
_IDS_SHOWN = 10


_GOAL = (
    click.option(
        "--goal",
        type=click.Choice(("not_worse", "better")),
        default="not_worse",
        show_default=True,
        help="What the candidate has to be.",
    ),
    click.option(
        "--margin",
        default="2%",
        show_default=True,
        help="Largest loss that is accepted, or smallest gain that matters.",
    ),
)


def goal_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What is asked of a candidate, for commands that hold it against a baseline."""
    for option in reversed(_GOAL):
        command = option(command)
    return command


def margin_typed(text: str) -> float:
    """A number or a share in per cent, such as `0.02` or `2%`."""
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise Invalid(
            "bad_margin", f"`{text}` is no margin", hint="Write 0.02 or 2%, for example."
        ) from None


_PLACE = "lineside.cli"


@click.group(
    cls=Commands,
    late={
        "board": Late(
            "Commands", f"{_PLACE}.verdict_lists:board", "Rank releases or models, ties as ties"
        ),
        "history": Late(
            "Commands", f"{_PLACE}.verdict_lists:history", "Follow the runs of a use case"
        ),
        "themes": Late(
            "Commands", f"{_PLACE}.verdict_lists:themes", "Group what went wrong in a run"
        ),
        "plan": Late(
            "Commands", f"{_PLACE}.verdict_lists:plan", "Say what the next comparison takes"
        ),
        "pairwise": Late(
            "Commands", f"{_PLACE}.verdict_pairs:pairwise", "Have a judge compare two runs' answers"
        ),
        "explain": Late("Commands", f"{_PLACE}.verdict_gates:explain", "Take a gate apart"),
        "override": Late(
            "Commands", f"{_PLACE}.verdict_gates:override", "Release what a gate refused"
        ),
    },
    examples=("lineside verdicts compare run_01k3… run_01k4…", "lineside verdicts board my-case"),
)
def verdicts() -> None:
    """Which run is better, by how much, and how much more it takes to know."""


@verdicts.command(
    examples=(
        "lineside verdicts compare run_01k3… run_01k4…",
        "lineside verdicts compare run_01k3… run_01k4… --goal better --guard latency_ms=10%",
    )
)
@click.argument("baseline", metavar="BASELINE")
@click.argument("candidate", metavar="CANDIDATE")
@click.option("--score", help="The main score; else the candidate's.")
@goal_options
@click.option(
    "--guard",
    "guards",
    multiple=True,
    metavar="NAME=MARGIN",
    help="A measure that must not get worse either, such as latency_ms=10%. Repeatable.",
)
@json_option
@click.pass_context
def compare(
    context: click.Context,
    baseline: str,
    candidate: str,
    score: str | None,
    goal: Literal["not_worse", "better"],
    margin: str,
    guards: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say whether one run's candidate may replace another's; each is an id, or `latest`.

    Both runs are over the same cases. A margin is in points of a share, and a part of the
    baseline's mean for anything else. Beside the scores there are the measures `failed` and
    `cost_per_success`.
    """
    from lineside.evals import verdicts as judged

    with scope_here() as scope:
        found = judged.judge_pair(
            scope,
            run_named(scope, baseline).id,
            run_named(scope, candidate).id,
            score=score,
            goal=goal,
            margin=margin_typed(margin),
            guards=dict(_guard(text) for text in guards),
        )
    if as_json:
        print_json(found)
    else:
        _print_verdict(found)
    context.exit(EXIT_CODES[found.verdict.decision])


def _guard(text: str) -> tuple[str, float]:
    name, equals, allowed = text.partition("=")
    if not equals or not name:
        raise Invalid(
            "bad_guard",
            f"A guard is written as NAME=MARGIN: `{text}`",
            hint="Such as `--guard latency_ms=10%`.",
        )
    return name, margin_typed(allowed)


def _print_verdict(found: "judged.RunVerdict") -> None:
    say(found.headline, style="bold")
    if found.verdict.sentence != found.headline:
        say(found.verdict.sentence)
    say()
    print_table(
        ("measure", "role", "baseline", "candidate", "difference", "95 % interval", ""),
        [
            (
                effect.name,
                effect.role,
                amount(effect.baseline, effect.unit),
                amount(effect.candidate, effect.unit),
                signed(effect.difference, effect.difference_unit),
                interval(effect.together_low, effect.together_high, effect.difference_unit),
                effect.standing,
            )
            for effect in found.effects
        ],
        numbers=("baseline", "candidate", "difference"),
    )
    say()
    say_flips(found, found.score)
    _print_slices(found)
    for text in found.notes:
        note(text)


def say_flips(found: "judged.RunVerdict | pairwise.Preference", by: str) -> None:
    """How many cases were won and lost, and the first of them by their ids."""
    flips = found.flips
    say(f"Won {flips.won_total:,}, lost {flips.lost_total:,}, tied {flips.tied_total:,} by {by}")
    for word, ids, total in (
        ("Lost", flips.lost, flips.lost_total),
        ("Won", flips.won, flips.won_total),
    ):
        more = f" and {total - _IDS_SHOWN:,} more" if total > _IDS_SHOWN else ""
        if ids:
            say(f"{word}: {', '.join(ids[:_IDS_SHOWN])}{more}")


def _print_slices(found: "judged.RunVerdict") -> None:
    effects = found.slices.effects
    if not effects:
        return
    unit = found.effects[0].difference_unit
    unlike = sum(effect.is_unlike_rest for effect in effects)
    say(f"\nSlices, the surest first; {unlike:,} of {len(effects):,} surely unlike the rest")
    print_table(
        ("slice", "cases", "difference", "95 % interval", "unlike the rest"),
        [
            (
                f"{effect.slice}: {effect.value}",
                f"{effect.cases:,}",
                signed(effect.difference, unit),
                interval(effect.low, effect.high, unit),
                "surely" if effect.is_unlike_rest else f"p {effect.p_unlike_rest:.2f}",
            )
            for effect in effects[:_SLICES_SHOWN]
        ],
        numbers=("cases", "difference"),
    )


def signed(value: float, unit: str) -> str:
    """A difference with its sign."""
    return ("+" if value > 0 else "") + amount(value, unit)
