"""Part of `/compare`: which of two runs' answers a judge prefers, and asking it."""

import asyncio
from typing import Any, Literal
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lineside.core import Invalid
from lineside.evals import Run, pairwise, plan
from lineside.stats import plots
from lineside.trust import Scope

_REFRESH_SECONDS = 2

Goal = Literal["not_worse", "better"]
_TONES: dict[str, plots.Tone] = {"ship": "ship", "hold": "hold", "more": "plain"}


def pairwise_shown(
    request: Request, baseline: Run, candidate: Run, *, goal: Goal, margin: float, licensed: str
) -> dict[str, Any]:
    """What the page of two runs shows of their judge.

    Args:
        licensed: Changes whenever a licence does.
    """
    scope: Scope = request.app.state.local
    runs = pairwise.pairwise_runs(scope, baseline, candidate)
    under_way = next((run for run in runs if run.status == "running"), None)
    ended = next((run for run in runs if run.status != "running"), None)
    preference = None
    if ended is not None:
        preference = request.app.state.kept.get(
            ("pairwise", ended.id, goal, repr(margin), licensed),
            lambda: pairwise.judge_preference(scope, ended, goal=goal, margin=margin),
        )
    return {
        "preference": preference,
        "preference_plot": _plot(preference, goal, margin) if preference else "",
        "pairs_under_way": under_way,
        "pairwise_judges": sorted(pairwise.judges_of(baseline, candidate)),
        "refresh_seconds": _REFRESH_SECONDS if under_way else None,
    }


async def ask(request: Request) -> Response:
    """Have the judge asked, and go back to where its verdict will stand."""
    scope: Scope = request.app.state.local
    form = await request.form()
    baseline, candidate, judge = (
        str(form.get(name, "")) for name in ("baseline", "candidate", "judge")
    )
    limits = plan.RunLimits(cost_usd_max=_amount(str(form.get("max_cost", ""))))

    def start() -> None:
        asked = pairwise.pairs_to_ask(scope, baseline, candidate, judge=judge or None)
        pairwise.start_pairwise(scope, asked, limits=limits)

    await asyncio.to_thread(start)
    address = urlencode({"baseline": baseline, "candidate": candidate})
    return RedirectResponse(f"/compare?{address}#pairwise", status_code=303)


def _amount(text: str) -> float | None:
    try:
        return float(text) if text.strip() else None
    except ValueError:
        raise Invalid("bad_limit", f"`max_cost` is `{text[:40]}`, expected US dollars") from None


def _plot(found: pairwise.Preference, goal: Goal, margin: float) -> Any:
    if found.difference is None:
        return ""
    difference, tone = found.difference, _TONES[found.verdict.decision]
    row = plots.IntervalRow(
        f"Won less lost by {found.judge}",
        difference.value,
        difference.low,
        difference.high,
        "",
        tone,
    )
    accepted = -margin if goal == "not_worse" else None
    return plots.difference_plot("Preference", [row], accepted=accepted)


ROUTES = [Route("/compare/pairwise", ask, methods=["POST"])]
