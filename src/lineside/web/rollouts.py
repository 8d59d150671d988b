"""`/usecases/{name}/rollout`: a release on its way up, arm against arm, and the way back."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lineside.apps import promoting, staged
from lineside.core import Conflict, NotFound, now
from lineside.stats import plots
from lineside.trust import Scope
from lineside.usecases import get_use_case
from lineside.web.experiments import arm_rows, experiment_tone, forest_of, metric_plot
from lineside.web.render import page

_MOVES = {
    "pause": staged.pause,
    "resume": staged.resume,
    "promote": staged.promote,
    "deploy": staged.deploy_arm,
    "pull-back": staged.abort,
}
_REFRESH_SECONDS = 5
_ACCEPTED_MAX = 2.0
_TONES: dict[str, plots.Tone] = {
    "clear": "ship",
    "within": "ship",
    "broken": "hold",
    "unclear": "more",
    "no_data": "plain",
}
_WORDS = {
    "clear": "Well",
    "within": "Well so far",
    "broken": "Broken",
    "unclear": "Not settled",
    "no_data": "Not known",
}


class Rung(NamedTuple):
    """One step of the ladder, as the page shows it."""

    share: str
    word: str
    calls: int | None
    why: str


class RulePlot(NamedTuple):
    """What one rule says of the calls, with its picture."""

    finding: staged.LiveFinding
    tone: str
    word: str
    plot: Markup


def rollout_page(request: Request) -> Response:
    """The ladder, the verdict in a sentence, each rule with its interval, and the buttons."""
    scope: Scope = request.app.state.local
    name = request.path_params["name"]
    known = get_use_case(scope, name)
    found = staged.current(scope, name)
    counting = promoting.looked_over(scope, name)
    unproved = counting.unproved if counting else ()
    if found is None:
        is_live = counting is not None
        return page(
            request, "rollout.html", known=known, view=None, is_live=is_live, unproved=unproved
        )
    view = staged.view_of(found, at=now())
    if found.experiment is not None:
        return page(
            request,
            "experiment.html",
            known=known,
            unproved=unproved,
            view=view,
            staged=found,
            experiment=found.experiment,
            tone=experiment_tone(view),
            rows=arm_rows(found, found.experiment),
            forest=forest_of(found.experiment),
            metric=metric_plot(found.experiment),
            rules=[_rule(one) for one in found.findings if one.standing != "no_data"],
            refresh_seconds=_REFRESH_SECONDS if found.is_open else None,
        )
    return page(
        request,
        "rollout.html",
        known=known,
        unproved=unproved,
        view=view,
        staged=found,
        tone=_tone(view),
        ladder=_ladder(found),
        rules=[_rule(one) for one in found.findings],
        refresh_seconds=_REFRESH_SECONDS if found.is_open else None,
    )


async def move(request: Request) -> Response:
    """Do what a button says, on what the page showed; a second click does no more."""
    scope: Scope = request.app.state.local
    name, form = request.path_params["name"], await request.form()
    typed = {field: text for field, text in form.items() if isinstance(text, str)}
    await asyncio.to_thread(_move, scope, name, request.path_params["move"], typed)
    return RedirectResponse(f"/usecases/{name}/rollout", status_code=303)


def _move(scope: Scope, name: str, word: str, typed: Mapping[str, str]) -> None:
    wanted = _MOVES.get(word)
    if wanted is None:
        raise NotFound("unknown_move", "There is no such button")
    found = staged.current(scope, name)
    shown = typed.get("staged", ""), typed.get("revision", "")
    if found is None or shown != (found.id, str(found.revision)):
        raise Conflict(
            "rollout_changed",
            f"The rollout of `{name}` changed since the page was loaded",
            hint="Look at it again, then decide.",
        )
    if wanted is staged.deploy_arm:
        staged.deploy_arm(scope, name, typed.get("arm") or None)
    else:
        wanted(scope, name)


def _tone(view: staged.StagedView) -> tuple[str, str]:
    """Which verdict the page is in the colour of, and its word."""
    found = view.rollout
    words = {"done": ("ship", "Done"), "rolled_back": ("hold", "Rolled back")}
    words["stopped"] = ("plain", "Stopped")
    if not found.is_open:
        return words[found.status]
    if found.status == "paused":
        return "more", "Paused"
    if found.trouble or not view.is_watched:
        return "hold", "Not watched"
    is_open_question = view.verdict.calls_needed is not None
    return ("more", "Not enough data") if is_open_question else ("ship", "On its way")


def _ladder(found: staged.StagedRollout) -> list[Rung]:
    rungs = []
    for at, share in enumerate(found.plan.steps):
        text = found.whom if share == 1 else f"{share * 100:g} %"
        if at < len(found.taken):
            rungs.append(Rung(text, "done", found.taken[at].calls, found.taken[at].why))
        elif at == found.step:
            calls = found.seen.canary.calls if found.seen.canary else 0
            ended = {"done": "done", "rolled_back": "pulled back", "stopped": "stopped"}
            rungs.append(Rung(text, ended.get(found.status, "now"), calls, ""))
        else:
            word = "then" if at > found.step + 1 else "next"
            rungs.append(Rung(text, word if found.is_open else "not reached", None, ""))
    return rungs


def _rule(found: staged.LiveFinding) -> RulePlot:
    tone = _TONES[found.standing]
    plot: Any = Markup("")
    label = f"{found.arm}: {found.label}" if found.arm else found.label
    if found.value is not None:
        note = f"{found.units:,} callers"
        row = plots.IntervalRow(label, found.value, found.low, found.high, note, tone)
        if found.kind == "margin":
            # So far away a line would press all else against the edge.
            accepted = found.threshold if abs(found.threshold) < _ACCEPTED_MAX else None
            plot = plots.difference_plot(label, [row], unit=found.unit, accepted=accepted)
        else:
            word = "at most" if found.direction == "<=" else "at least"
            plot = plots.interval_rows(
                label,
                [row],
                unit=found.unit,
                threshold=found.threshold,
                threshold_label=word,
            )
    return RulePlot(found, tone, _WORDS[found.standing], plot)


ROUTES = [
    Route("/usecases/{name}/rollout", rollout_page),
    Route("/usecases/{name}/rollout/{move}", move, methods=["POST"]),
]
