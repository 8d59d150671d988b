"""`lineside rollouts ab`: releases beside each other until their users tell them apart."""

from typing import TYPE_CHECKING, Any

import click

from lineside.cli.commands import Spoken, json_option
from lineside.cli.output import local_time, note, print_json, print_table, say
from lineside.cli.place import scope_on_line, served_at, use_case_named
from lineside.core import Invalid, now
from lineside.stats import axes

if TYPE_CHECKING:
    from lineside.apps import staged as staging

_WORDS = {
    "better": "better",
    "worse": "worse",
    "no_better": "not better",
    "unclear": "not settled",
    "no_data": "not known",
}


@click.command(
    "ab",
    cls=Spoken,
    examples=(
        "lineside rollouts ab support-triage v2",
        "lineside rollouts ab support-triage v2 --metric feedback --users 2000 --for 7d",
        "lineside rollouts ab support-triage --arm now=live:40% --arm short=v2 --arm long=v3",
        "lineside rollouts ab support-triage v2 --metric helpful --smallest 0.05",
    ),
)
@click.argument("name_or_folder", required=False)
@click.argument("reference", metavar="[RELEASE]", default="latest")
@click.option(
    *("--arm", "arms"),
    multiple=True,
    metavar="NAME=RELEASE[:SHARE]",
    help="An arm; the first is what is live. Else `A=live` and `B=RELEASE`. Repeatable.",
)
@click.option(
    "--metric",
    default="error_rate",
    metavar="NAME",
    show_default=True,
    help="What decides: `error_rate`, `latency`, `cost`, `feedback` or a score.",
)
@click.option("--lower", is_flag=True, help="Less of the score is better.")
@click.option("--smallest", metavar="DIFFERENCE", help="The smallest difference that matters.")
@click.option("--users", type=int, help="Users in all arms after whom it ends; else planned.")
@click.option(
    *("--for", "length"), metavar="TIME", help="How long it lasts at most: `7d`; else 14 days."
)
@click.option("--audience", metavar="RULE", help="Whom it is for: `country = CH`.")
@click.option("--stop-if", multiple=True, metavar="RULE", help="What pulls it back. Repeatable.")
@click.option(
    *("--margin", "margins"),
    multiple=True,
    metavar="NAME=SHARE",
    help="How much worse than live pulls it back: `error_rate=2%`. Repeatable.",
)
@json_option
def ab(
    name_or_folder: str | None,
    reference: str,
    arms: tuple[str, ...],
    smallest: str | None,
    lower: bool,
    margins: tuple[str, ...],
    as_json: bool,
    **values: Any,
) -> None:
    """Hold releases against what is live, each with its share of the users, until told apart.

    A user stays in one arm. The verdict names the better arm, says that the first keeps, or how
    many calls lack; a person deploys the winner with `lineside rollouts promote`. Limits and
    margins that are surely broken pull all arms back at once.
    """
    from lineside.apps import staged as staging

    name = use_case_named(name_or_folder)
    typed = [*map(_arm, arms)] or [_arm("A=live"), _arm(f"B={reference}")]
    wanted = staging.read_wanted(
        values
        | {"arms": typed, "lower_is_better": lower, "smallest": _number(smallest)}
        | {"stop_if": list(values["stop_if"]), "margins": dict(map(margin_typed, margins))}
    )
    with scope_on_line() as scope:
        view = staging.view_of(staging.start_experiment(scope, name, wanted), at=now())
    if as_json:
        print_json(view)
        return
    found, experiment = view.rollout, view.rollout.experiment
    assert experiment is not None  # noqa: S101 # one has just begun
    shares = ", ".join(f"{arm.share * 100:g} % {arm.name} ({arm.label})" for arm in experiment.arms)
    say(f"✓ {name}: {shares}", style="bold")
    note(
        f"It ends at {experiment.users:,} users or {local_time(view.held_until)}; "
        f"decided by {experiment.metric.replace('_', ' ')}"
    )
    note(f"Watched while `lineside up` runs: {served_at()}/usecases/{found.use_case}/rollout")
    note(f"Back at once: lineside rollback {name}")


def print_experiment(view: "staging.StagedView") -> None:
    """The arms with what their calls came to, and each against the first."""
    from lineside.apps import staged as staging

    found, experiment = view.rollout, view.rollout.experiment
    if experiment is None:
        return
    figures = {one.arm: one for one in found.seen.named}
    metrics = {one.arm: one for one in experiment.metrics}
    effects = {one.arm: one for one in experiment.effects}
    rows = []
    for arm in experiment.arms:
        seen, metric = figures.get(arm.name), metrics.get(arm.name)
        users, calls = (f"{seen.callers:,}", f"{seen.calls:,}") if seen else ("0", "0")
        value = "" if metric is None else axes.show(metric.value, staging.unit_of(experiment))
        word = "" if arm.name not in effects else _WORDS[effects[arm.name].standing]
        rows.append((arm.name, arm.label, f"{arm.share * 100:g} %", users, calls, value, word))
    columns = ("arm", "release", "share", "users", "calls", experiment.metric, "")
    print_table(columns, rows, numbers=("share", "users", "calls", experiment.metric))
    for broken in (one for one in found.findings if one.standing == "broken"):
        say(broken.sentence)
    if experiment.ratio and experiment.ratio.warning:
        note(experiment.ratio.warning)
    if not found.is_open:
        note(f"Ended {local_time(found.ended_at)} by {found.ended_by}")
    elif view.verdict.winner:
        note(f"Deploy it: lineside rollouts promote {found.use_case}")
    elif experiment.is_final:
        first = experiment.control.name
        note(f"Its looks are over; end it: lineside rollouts promote {found.use_case} {first}")
    else:
        note(
            f"The next look counts at {experiment.next_look_users:,} of {experiment.users:,} "
            f"users; it ends {local_time(view.held_until)} at the latest"
        )
    if found.is_open and not view.is_watched:
        note("No server has looked for a minute: start `lineside up`, else nothing happens")


def _arm(text: str) -> dict[str, str | None]:
    name, equals, rest = text.partition("=")
    release, _, share = rest.partition(":")
    if not equals or not name.strip() or not release.strip():
        raise Invalid(
            "bad_arm",
            f"Not an arm with its release: `{text[:80]}`",
            hint="Write it as `--arm B=v2` or `--arm B=v2:20%`.",
        )
    return {"name": name.strip(), "release": release.strip(), "share": share.strip() or None}


def _number(text: str | None) -> str | float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return text


def margin_typed(text: str) -> tuple[str, str]:
    """A margin as it is typed: `error_rate=2%`."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise Invalid(
            "bad_margin",
            f"Not a margin with its share: `{text[:80]}`",
            hint="Write it as `--margin error_rate=2%`.",
        )
    return name.strip(), value.strip()
