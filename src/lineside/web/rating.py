"""`/reviews/{id}/rate`: one item at a time for a rater, by keys or by thumb."""

import asyncio
import contextlib
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lineside.core import Denied, Invalid
from lineside.evals import reviews
from lineside.trust import Scope
from lineside.web.passages import said_in
from lineside.web.render import page
from lineside.web.reviewers import keep, let_go, rater_with, reviewer, under_other_name

_ITEM_DIGITS_MAX = 6


def rate(request: Request) -> Response:
    """The item to judge now, or why there is none."""
    asked = request.query_params.get("item", "")
    item = int(asked) if asked.isdecimal() and len(asked) <= _ITEM_DIGITS_MAX else None
    return _rated(request, item=item)


async def answer(request: Request) -> Response:
    """Keep the answer and show the next item; what does not fit is shown again with the reason."""
    form = await request.form()
    typed = {name: value for name, value in form.items() if isinstance(value, str)}
    return await asyncio.to_thread(_answered, request, typed)


def begin(request: Request) -> Response:
    """What a rater's link opens: who they are, and what beginning means; without a key, its field.

    Only the button begins, so that whoever made the link may look at where it leads.
    """
    return _begin(request, request.query_params.get("key", ""))


async def begun(request: Request) -> Response:
    """Keep the browser to reviews from now on, and go on to the items."""
    form = await request.form()
    secret = str(form.get("key", "")).strip()
    return await asyncio.to_thread(_begun, request, secret)


def begun_elsewhere(request: Request) -> Response:
    """Keep the browser to reviews under the machine's other name too, and go back to the first."""
    secret, path = request.query_params.get("key", ""), f"/reviews/{request.path_params['review']}"
    rater_with(request.app.state.local, secret)
    response = RedirectResponse(under_other_name(request, f"{path}/rate") or f"{path}/rate", 303)
    keep(response, secret)
    return response


def leave(request: Request) -> Response:
    """What leaving means."""
    return page(request, "review_leave.html")


async def left(request: Request) -> Response:
    """Give up the rater's key and let the browser open every page again."""

    def work() -> None:
        # A key that no longer works was taken back: nothing is left to give up.
        with contextlib.suppress(Denied):
            reviews.inviting.leave(reviewer(request))

    await asyncio.to_thread(work)
    response = RedirectResponse("/", 303)
    let_go(response)
    return response


def _begin(request: Request, secret: str, error: Denied | None = None) -> Response:
    review_id, rater = request.path_params["review"], None
    if secret and error is None:
        try:
            scope = rater_with(request.app.state.local, secret)
            reviews.inviting.let_in(scope, review_id)
            rater = scope.actor.name
        except Denied as refused:
            error = refused
    return page(
        request,
        "review_begin.html",
        status_code=403 if error else 200,
        review_id=review_id,
        rater=rater,
        key=secret,
        error=error,
    )


def _begun(request: Request, secret: str) -> Response:
    review_id = request.path_params["review"]
    try:
        reviews.inviting.let_in(rater_with(request.app.state.local, secret), review_id)
    except Denied as error:
        return _begin(request, secret, error)
    onward = under_other_name(request, f"/reviews/{review_id}/begun?key={secret}")
    # A form may lead to no other site, so that a page goes on to the machine's other name.
    response = (
        page(request, "review_begun.html", onward=onward)
        if onward
        else RedirectResponse(f"/reviews/{review_id}/rate", 303)
    )
    keep(response, secret)
    return response


def _answered(request: Request, typed: Mapping[str, str]) -> Response:
    scope, review_id = reviewer(request), request.path_params["review"]
    number = typed.get("item", "")
    if not number.isdecimal() or len(number) > _ITEM_DIGITS_MAX:
        raise Invalid("bad_item", f"Not the number of an item: `{number[:20]}`")
    item = int(number)
    task = reviews.rating.seen_task(scope, review_id, item)
    try:
        said = None
        if typed.get("what") != "pass":
            said = said_in(task.questions, typed, text=task.text)
        reviews.rating.give_answer(scope, review_id, item, said)
    except Invalid as error:
        return _rated(request, item=item, error=error)
    return RedirectResponse(f"/reviews/{review_id}/rate", 303)


def _rated(request: Request, *, item: int | None, error: Invalid | None = None) -> Response:
    scope = reviewer(request)
    turn = reviews.rating.next_turn(scope, request.path_params["review"], item=item)
    asked = turn.task.questions if turn.task else ()
    is_single = len(asked) == 1 and asked[0].kind in ("choice", "scale", "pairwise")
    return page(
        request,
        "review_rate.html",
        status_code=422 if error else 200,
        turn=turn,
        rater=scope.actor.name,
        is_single=is_single,
        error=error,
        is_owner=_is_owner(scope, turn.review),
    )


def _is_owner(scope: Scope, review_id: str) -> bool:
    """Whether the rater may also see how the review stands."""
    try:
        reviews.get_review(scope, review_id)
    except Denied:
        return False
    return True


ROUTES = [
    Route("/reviews/{review}/rate", rate),
    Route("/reviews/{review}/rate", answer, methods=["POST"]),
    Route("/reviews/{review}/begin", begin),
    Route("/reviews/{review}/begin", begun, methods=["POST"]),
    Route("/reviews/{review}/begun", begun_elsewhere),
    Route("/reviews/leave", leave),
    Route("/reviews/leave", left, methods=["POST"]),
]
