"""`lineside rollouts`: releases that go up by steps, and what their calls say."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from lineside.cli.commands import Commands, Decorated, json_option
from lineside.cli.experiments import ab, margin_typed, print_experiment
from lineside.cli.output import local_time, note, print_json, print_table, say
from lineside.cli.place import scope_here, scope_on_line, served_at, use_case_named
from lineside.cli.unproved import note_unproved
from lineside.core import NotFound, now

if TYPE_CHECKING:
    from lineside.apps import staged as staging
    from lineside.apps import unproved as losing
    from lineside.trust import Scope

_NAME = click.argument("name_or_folder", required=False)
_WORDS = {
    "running": "on its way",
    "paused": "paused",
    "done": "done",
    "rolled_back": "rolled back",
    "stopped": "stopped",
}


@click.group(
    cls=Commands,
    examples=(
        "lineside rollouts start support-triage v2",
        "lineside rollouts ab support-triage v2",
        "lineside rollouts show support-triage",
        "lineside rollback support-triage",
    ),
)
def rollouts() -> None:
    """Send a release up by steps, or hold releases against each other; their calls decide.

    A running server (`lineside up`) watches; without one nothing goes up by itself. `lineside
    rollback` pulls back at once.
    """


rollouts.add_command(ab)


def _plan_options(command: Decorated) -> Decorated:
    options: list[Callable[[Decorated], Decorated]] = [
        click.option("--steps", metavar="SHARES", help="Shares of callers: `5,25,100`."),
        click.option("--hold", metavar="TIME", help="Least time on a step: `30m`, `2h`, `1d`."),
        click.option("--audience", metavar="RULE", help="Whom it is for: `country = CH`."),
        click.option("--stop-if", multiple=True, metavar="RULE", help="What ends it. Repeatable."),
        click.option(
            *("--margin", "margins"),
            multiple=True,
            metavar="NAME=SHARE",
            help="How much worse than live is still not worse: `error_rate=2%`. Repeatable.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@rollouts.command(
    examples=(
        "lineside rollouts start support-triage",
        "lineside rollouts start support-triage v2 --steps 5,25,100 --hold 30m",
        "lineside rollouts start support-triage v2 --stop-if 'error_rate > 2%'",
    ),
)
@_NAME
@click.argument("reference", metavar="[RELEASE]", default="latest")
@_plan_options
@json_option
def start(
    name_or_folder: str | None,
    reference: str,
    steps: str | None,
    hold: str | None,
    audience: str | None,
    stop_if: tuple[str, ...],
    margins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Send a release to its first step; from there it goes up by its own verdict.

    What is not given is as the release\'s manifest says under `rollout`, else 5 %, 25 %, everybody,
    each held for 30 minutes.
    """
    from lineside.apps import staged as staging

    name = use_case_named(name_or_folder)
    plan = {
        "steps": _shares(steps) if steps else None,
        "hold": hold,
        "audience": audience,
        "stop_if": list(stop_if),
        "margins": dict(map(margin_typed, margins)),
    }
    with scope_on_line() as scope:
        started = staging.start(scope, name, reference, plan=plan)
        lost = _unproved(scope, name)
    view = staging.view_of(started, at=now())
    if as_json:
        print_json(view)
        return
    of = f" of those with `{started.plan.audience}`" if started.plan.audience else ""
    say(f"✓ {name}: {started.percent:g} %{of} get {started.label}", style="bold")
    _print_ladder(view)
    note_unproved(lost)
    note(f"Watched while `lineside up` runs: {served_at()}/usecases/{name}/rollout")
    note(f"Back at once: lineside rollback {name}")


@rollouts.command(examples=("lineside rollouts show support-triage",))
@_NAME
@json_option
def show(name_or_folder: str | None, as_json: bool) -> None:
    """Show the steps, both arms, what each rule says, and when something is due."""
    from lineside.apps import staged as staging

    name = use_case_named(name_or_folder)
    with scope_here() as scope:
        found = staging.current(scope, name)
        lost = _unproved(scope, name)
    if found is None:
        raise NotFound(
            "no_staged_rollout",
            f"No release of `{name}` ever went up by steps",
            hint=f"Start one: `lineside rollouts start {name}`.",
        )
    view = staging.view_of(found, at=now())
    if as_json:
        print_json(view)
        return
    say(view.verdict.sentence, style="bold")
    note_unproved(lost)
    say()
    if found.experiment is not None:
        print_experiment(view)
        return
    _print_ladder(view)
    if found.findings:
        say()
        _print_findings(found)
    _note_next(view)


@rollouts.command(examples=("lineside rollouts pause support-triage",))
@_NAME
@json_option
def pause(name_or_folder: str | None, as_json: bool) -> None:
    """Let it go no further up; its limits are watched as before."""
    from lineside.apps import staged as staging

    _move(name_or_folder, staging.pause, as_json=as_json)


@rollouts.command(examples=("lineside rollouts resume support-triage",))
@_NAME
@json_option
def resume(name_or_folder: str | None, as_json: bool) -> None:
    """Let it go up again."""
    from lineside.apps import staged as staging

    _move(name_or_folder, staging.resume, as_json=as_json)


@rollouts.command(
    examples=(
        "lineside rollouts promote support-triage",
        "lineside rollouts promote support-triage B",
    ),
)
@_NAME
@click.argument("arm", required=False)
@json_option
def promote(name_or_folder: str | None, arm: str | None, as_json: bool) -> None:
    """Go to the next step now, or give everybody the winner of an experiment, else the ARM named.

    The ledger keeps who did, and what the calls said.
    """
    from lineside.apps import staged as staging

    _move(name_or_folder, lambda scope, name: staging.promote(scope, name, arm), as_json=as_json)


@rollouts.command(examples=("lineside rollouts abort support-triage",))
@_NAME
@json_option
def abort(name_or_folder: str | None, as_json: bool) -> None:
    """Pull it back: everybody gets what was live before, as with `lineside rollback`."""
    from lineside.apps import staged as staging

    _move(name_or_folder, staging.abort, as_json=as_json)


def _move(
    name_or_folder: str | None,
    move: "Callable[[Scope, str], staging.StagedRollout]",
    *,
    as_json: bool,
) -> None:
    from lineside.apps import staged as staging

    name = use_case_named(name_or_folder)
    with scope_on_line() as scope:
        view = staging.view_of(move(scope, name), at=now())
        lost = _unproved(scope, name)
    if as_json:
        print_json(view)
        return
    note_unproved(lost)
    found = view.rollout
    if found.experiment is not None:
        say(f"✓ {name}: the experiment is {_WORDS[found.status]}; {found.ended_why}", style="bold")
        return
    say(f"✓ {name}: {found.label} is {_WORDS[found.status]}, {_where(found)}", style="bold")


def _unproved(scope: "Scope", name: str) -> "tuple[losing.UnprovedKnob, ...]":
    from lineside.apps import promoting

    now_counting = promoting.looked_over(scope, name)
    return now_counting.unproved if now_counting else ()


def _where(found: "staging.StagedRollout") -> str:
    if found.status in ("rolled_back", "stopped"):
        return f"ended at {found.percent:g} %"
    return f"step {found.step + 1} of {len(found.plan.steps)}: {found.percent:g} %"


def _print_ladder(view: "staging.StagedView") -> None:
    found, rows = view.rollout, []
    for at, share in enumerate(found.plan.steps):
        percent = f"{share * 100:g} %"
        if at < len(found.taken):
            taken = found.taken[at]
            rows.append(("done", percent, local_time(taken.began_at), f"{taken.calls:,}"))
        elif at == found.step:
            calls = found.seen.canary.calls if found.seen.canary else 0
            word = "now" if found.is_open else _WORDS[found.status]
            rows.append((word, percent, local_time(found.step_began_at), f"{calls:,}"))
        else:
            rows.append(("next" if at == found.step + 1 else "", percent, "", ""))
    print_table(("", "share", "since", "calls"), rows, numbers=("share", "calls"))


def _print_findings(found: "staging.StagedRollout") -> None:
    words = {"clear": "well", "within": "well so far", "unclear": "not settled"}
    words |= {"broken": "broken", "no_data": "not known"}
    print_table(
        ("rule", "", "what the calls say"),
        [(one.rule, words[one.standing], one.sentence) for one in found.findings],
    )


def _note_next(view: "staging.StagedView") -> None:
    found = view.rollout
    if not found.is_open:
        note(f"Ended {local_time(found.ended_at)} by {found.ended_by}")
        return
    note(
        f"Held until {local_time(view.held_until)} at least; "
        f"the next look counts at {view.next_look_calls:,} calls of {found.label}"
    )
    if view.verdict.ready_at:
        note(f"A decision is due about {local_time(view.verdict.ready_at)}")
    if not view.is_watched:
        note("No server has looked for a minute: start `lineside up`, else nothing happens")


def _shares(text: str) -> list[str]:
    return [f"{part.strip().removesuffix('%').strip()}%" for part in text.split(",")]
