"""`/compare`: whether one run may replace another, and all that the answer rests on."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineside.apps import naming
from lineside.core import Invalid
from lineside.evals import Result, Run, get_run, licences, results_of, verdicts
from lineside.stats import axes, plots
from lineside.traces import diff
from lineside.trust import Scope
from lineside.web.evals import subjects_of, use_cases_of
from lineside.web.forest import ForestRow, forest_plot
from lineside.web.pairwise import pairwise_shown
from lineside.web.render import only_fields, page, pretty, short

_CASES_SHOWN = 20
_TEXT_CHARACTERS_MAX = 4_000
_GUARDS = {
    "latency_ms": "latency",
    "cost_usd": "cost",
    "failed": "cases without a score",
    "cost_per_success": "cost per success",
}
_KINDS = {
    "binary": "yes or no",
    "ordinal": "grades",
    "continuous": "an amount",
    "rate": "share of cases",
    "ratio": "ratio of sums",
}
_TAKES = (
    *("baseline", "candidate", "score", "goal", "margin", "became", "from"),
    *(f"guard_{name}" for name in _GUARDS),
)
_BECAME = ("lost", "won", "tied")
_TONES: dict[str, plots.Tone] = {"better": "ship", "worse": "hold", "open": "plain"}


class SideBySide(NamedTuple):
    """One case in both runs, word by word."""

    before: Result
    after: Result
    pieces: list[diff.TextPiece]


def comparison(request: Request) -> Response:
    """Two runs: the sentence, the effects, the slices, and the cases that flipped."""
    scope: Scope = request.app.state.local
    typed = request.query_params
    pair_asked = [typed.get(name, "") for name in ("baseline", "candidate")]
    if not all(pair_asked):
        raise Invalid(
            "two_runs_needed",
            "Two runs are compared: `baseline` and `candidate`",
            hint="Open a run and choose the one to hold it against.",
        )
    baseline, candidate = (get_run(scope, run_id) for run_id in pair_asked)
    asked = _asked(typed)
    licensed = licences.licensing(scope)
    key = ("compare", baseline.id, candidate.id, repr(sorted(asked.items())), licensed)
    found = request.app.state.kept.get(
        key, lambda: verdicts.judge_pair(scope, baseline.id, candidate.id, **asked)
    )
    became = typed.get("became", "")
    became = became if became in _BECAME else "lost" if found.flips.lost else "won"
    ids: Sequence[str] = getattr(found.flips, became)
    start = min(_number(typed, "from"), max(0, len(ids) - 1))
    return page(
        request,
        "compare.html",
        takes=_TAKES,
        found=found,
        baseline=baseline,
        candidate=candidate,
        subjects=subjects_of(scope, candidate.use_case),
        called=naming.name_subjects(scope, None, [baseline, candidate]),
        use_cases=use_cases_of(scope),
        forest=forest_plot(
            "Effects, candidate against baseline", [_row(one) for one in found.effects]
        ),
        became=became,
        start=start,
        cases=_side_by_side(scope, found, ids[start : start + _CASES_SHOWN]),
        cases_kept=len(ids),
        shown=_CASES_SHOWN,
        asked=asked,
        scores=_scores(candidate),
        guards=_GUARDS,
        kinds=_KINDS,
        here=_address(typed, baseline, candidate),
        **pairwise_shown(
            request,
            baseline,
            candidate,
            goal=found.goal,
            margin=asked["margin"],
            licensed=licensed,
        ),
    )


def _asked(typed: QueryParams) -> dict[str, Any]:
    """What is asked of the two runs, as the form writes it: margins in per cent."""
    goal = typed.get("goal") or "not_worse"
    if goal not in ("not_worse", "better"):
        raise Invalid("bad_goal", f"`goal` is `{goal[:40]}`, expected not_worse or better")
    guards = {name: _percent(typed, f"guard_{name}", "") for name in _GUARDS}
    return {
        "score": typed.get("score") or None,
        "goal": goal,
        "margin": _percent(typed, "margin", "2"),
        "guards": {name: margin for name, margin in guards.items() if margin is not None},
    }


def _percent(typed: QueryParams, name: str, default: str) -> float | None:
    text = typed.get(name, "").strip() or default
    if not text:
        return None
    try:
        return float(text) / 100
    except ValueError:
        raise Invalid("bad_margin", f"`{name}` is `{text[:40]}`, expected per cent") from None


def _number(typed: QueryParams, name: str) -> int:
    text = typed.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 8 else 0


def _address(typed: QueryParams, baseline: Run, candidate: Run) -> dict[str, str]:
    """What an address of this very question holds, without which cases are shown."""
    kept = {name: value for name, value in typed.items() if name not in ("became", "from")}
    return {**kept, "baseline": baseline.id, "candidate": candidate.id}


def _scores(candidate: Run) -> list[str]:
    return [item.name for item in candidate.scorers]


def _row(effect: verdicts.Effect) -> ForestRow:
    """An effect on the common axis: points of a share, else parts of the baseline."""
    unit = effect.difference_unit
    base = 1.0 if unit == "points" else abs(effect.baseline)
    sign = 1 if effect.higher_is_better else -1
    shown = axes.show(effect.difference, unit, signed=True)

    def part(value: float | None) -> float | None:
        return None if value is None or not base else sign * value / base

    ends = [part(effect.low), part(effect.high)][::sign]
    wide = [part(effect.together_low), part(effect.together_high)][::sign]
    note = "decides" if effect.role != "watched" else ""
    return ForestRow(
        label=effect.label,
        note=note,
        shown=shown,
        value=part(effect.difference),
        low=ends[0],
        high=ends[1],
        wide_low=wide[0],
        wide_high=wide[1],
        accepted=None if effect.margin is None or not base else -effect.margin / base,
        is_deciding=effect.role != "watched",
        tone=_TONES[effect.standing],
        said=f"{effect.label}: {shown}, {effect.standing}",
    )


def _side_by_side(
    scope: Scope, found: verdicts.RunVerdict, case_ids: Sequence[str]
) -> list[SideBySide]:
    if not case_ids:
        return []
    sides: list[dict[str, Result]] = []
    for run_id in (found.baseline_run_id, found.candidate_run_id):
        results = results_of(scope, run_id, case_ids=case_ids, limit=10 * len(case_ids))
        # Of several repetitions the one to look at first stands first.
        sides.append({result.case_id: result for result in reversed(results)})
    pairs = [(sides[0].get(case_id), sides[1].get(case_id)) for case_id in case_ids]
    return [
        SideBySide(old, new, diff.text_diff(_text(old), _text(new)))
        for old, new in pairs
        if old is not None and new is not None
    ]


def _text(result: Result) -> str:
    """What was answered, as one text to set against another."""
    if result.output is None:
        return f"(no answer: {result.error_code})"
    asked = only_fields(result.output, result.expected)
    values = list(cast("dict[str, Any]", asked).values())
    text = values[0] if len(values) == 1 and isinstance(values[0], str) else None
    if text is None:
        text = short(asked) if len(short(asked)) < 100 else pretty(asked)
    return text[:_TEXT_CHARACTERS_MAX]


ROUTES = [Route("/compare", comparison)]
