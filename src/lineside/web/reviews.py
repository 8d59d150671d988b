"""`/reviews`: what people were asked, how far they agree, and the last word where they differ."""

import asyncio
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from lineside.apps import naming
from lineside.core import Invalid, LinesideError
from lineside.evals import list_runs, reviews
from lineside.stats import plots
from lineside.web.passages import said_in
from lineside.web.render import page
from lineside.web.reviewers import reviewer

_RUNS_OFFERED = 50
_SETTLED_AT_ONCE = 20
_DIGITS_MAX = 6
_TONES: dict[str, plots.Tone] = {"agree": "ship", "differ": "hold", "unknown": "more"}


def review_list(request: Request) -> Response:
    """Reviews, newest first, each with where it stands."""
    scope = reviewer(request)
    found = reviews.list_reviews(scope)
    return page(request, "reviews.html", found=found, may_open="test" in scope.rights)


def new(request: Request) -> Response:
    """The form that opens a review."""
    typed = dict(request.query_params)
    return _form(request, typed, error=None)


async def opened(request: Request) -> Response:
    """Open a review by what the form holds."""
    form = await request.form()
    typed = {name: value for name, value in form.items() if isinstance(value, str)}
    return await asyncio.to_thread(_opened, request, typed)


def state(request: Request) -> Response:
    """How a review stands."""
    return _state(request)


async def invited(request: Request) -> Response:
    """Make a personal link for a rater and show it, this once."""
    form = await request.form()
    return await asyncio.to_thread(_invited, request, str(form.get("rater", "")))


def _invited(request: Request, rater: str) -> Response:
    try:
        made = reviews.inviting.invite(reviewer(request), request.path_params["review"], rater)
    except Invalid as error:
        return _state(request, error=error)
    return _state(request, made=made)


def _state(
    request: Request,
    *,
    made: reviews.inviting.Invitation | None = None,
    error: Invalid | None = None,
) -> Response:
    scope = reviewer(request)
    found = reviews.review_state(scope, request.path_params["review"])
    return page(
        request,
        "review.html",
        state=found,
        review=found.review,
        tone=_TONES[found.questions[0].decision] if found.answers else "more",
        plot=_plot(found),
        may_change="test" in scope.rights,
        status_code=422 if error else 200,
        invited=made,
        invited_at=str(request.base_url).rstrip("/") + made.path if made else "",
        error=error,
    )


def differing(request: Request) -> Response:
    """Items on which raters or the judge differ, with a form for the last word."""
    return _differing(request, error=None)


async def settled(request: Request) -> Response:
    """Keep the last word on an item."""
    form = await request.form()
    typed = {name: value for name, value in form.items() if isinstance(value, str)}
    return await asyncio.to_thread(_settled, request, typed)


async def close(request: Request) -> Response:
    """Let nobody answer any more."""
    review = request.path_params["review"]

    def work() -> None:
        reviews.close_review(reviewer(request), review)

    await asyncio.to_thread(work)
    return RedirectResponse(f"/reviews/{review}", 303)


def labels(request: Request) -> Response:
    """What was said as a file."""
    scope, review = reviewer(request), request.path_params["review"]
    form = request.query_params.get("form", "labels")
    files = {
        "labels": reviews.labels.labels_file,
        "by-rater": reviews.labels.labels_by_rater_file,
        "cases": reviews.labels.cases_file,
    }
    if form not in files:
        raise Invalid("bad_form", f"There is no form `{form[:20]}` of labels")
    kind, end = ("application/jsonl", "jsonl") if form == "cases" else ("text/csv", "csv")
    disposition = {"content-disposition": f'attachment; filename="{form}.{end}"'}
    return PlainTextResponse(files[form](scope, review), media_type=kind, headers=disposition)


def _form(request: Request, typed: dict[str, str], *, error: LinesideError | None) -> Response:
    scope = reviewer(request)
    runs = [run for run in list_runs(scope, limit=_RUNS_OFFERED) if run.cases_done]
    return page(
        request,
        "review_new.html",
        status_code=422 if error else 200,
        runs=runs,
        called=naming.name_subjects(scope, None, runs),
        typed=typed,
        error=error,
    )


def _opened(request: Request, typed: dict[str, str]) -> Response:
    try:
        review = reviews.open_review(reviewer(request), _wish(typed))
    except LinesideError as error:
        return _form(request, typed, error=error)
    return RedirectResponse(f"/reviews/{review.id}", 303)


def _wish(typed: dict[str, str]) -> reviews.ReviewWish:
    """What the form asks for."""
    question: dict[str, Any] = {"name": "label", "ask": typed.get("ask", "")}
    question["kind"] = typed.get("kind", "choice")
    if question["kind"] == "choice":
        words = [word.strip() for word in typed.get("choices", "").split(",")]
        question["options"] = [word for word in words if word]
    fields = {
        "name": typed.get("name", ""),
        "questions": [question],
        "source": {"run": typed.get("run") or None, "against": typed.get("against") or None},
        "items": typed.get("items") or 50,
        "raters_per_item": typed.get("raters") or 2,
        "minutes_max": typed.get("minutes") or None,
        "judge": typed.get("judge") or None,
        "picked_by": typed.get("picked_by") or "random",
    }
    try:
        return reviews.ReviewWish.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Invalid("bad_review", f"`{where}`: {first['msg']}") from None


def _differing(request: Request, *, error: Invalid | None) -> Response:
    scope, review = reviewer(request), request.path_params["review"]
    found = reviews.settling.disagreements(scope, review, limit=_SETTLED_AT_ONCE)
    stands = reviews.review_state(scope, review)
    return page(
        request,
        "review_settle.html",
        status_code=422 if error else 200,
        review=stands.review,
        left=stands.disputed,
        found=found,
        error=error,
    )


def _settled(request: Request, typed: dict[str, str]) -> Response:
    scope, review_id = reviewer(request), request.path_params["review"]
    review = reviews.review_state(scope, review_id).review
    number = typed.get("item", "")
    found = reviews.settling.disagreements(scope, review_id, limit=1_000)
    chosen = [one for one in found if str(one.item) == number]
    if not chosen:
        return RedirectResponse(f"/reviews/{review_id}/settle", 303)
    try:
        text = reviews.text_of(chosen[0].shown["output"])
        said = said_in(review.questions, typed, text=text)
        reviews.settling.settle(scope, review_id, chosen[0].item, said, why=typed.get("why", ""))
    except Invalid as error:
        return _differing(request, error=error)
    return RedirectResponse(f"/reviews/{review_id}/settle", 303)


def _plot(found: reviews.ReviewState) -> Any:
    rows = [
        plots.IntervalRow(
            one.question.name,
            one.alpha.value,
            one.alpha.low,
            one.alpha.high,
            f"{one.alpha.items} items",
            _TONES[one.decision],
        )
        for one in found.questions
        if one.alpha is not None
    ]
    if not rows:
        return ""
    title = "How far raters agree beyond chance"
    return plots.interval_rows(
        title, rows, unit="", threshold=0.667, threshold_label="reliable enough"
    )


ROUTES = [
    Route("/reviews", review_list),
    Route("/reviews/new", new),
    Route("/reviews/new", opened, methods=["POST"]),
    Route("/reviews/{review}", state),
    Route("/reviews/{review}/settle", differing),
    Route("/reviews/{review}/settle", settled, methods=["POST"]),
    Route("/reviews/{review}/invite", invited, methods=["POST"]),
    Route("/reviews/{review}/close", close, methods=["POST"]),
    Route("/reviews/{review}/labels", labels),
]
