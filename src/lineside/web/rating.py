"""`/reviews/{id}/rate`: one item at a time for a rater, by keys or by thumb."""

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lineside.core import Denied, Invalid
from lineside.evals import reviews
from lineside.trust import Scope
from lineside.web.passages import said_in
from lineside.web.render import page
from lineside.web.reviewers import is_signed_in, reviewer, sign_in, sign_out

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


def sign_in_form(request: Request) -> Response:
    """Where a rater gives the key they got."""
    return page(request, "review_sign_in.html", review_id=request.path_params["review"], error=None)


async def signed_in(request: Request) -> Response:
    """Take the key and go on to the items."""
    form = await request.form()
    secret, review = str(form.get("key", "")).strip(), request.path_params["review"]
    response = RedirectResponse(f"/reviews/{review}/rate", 303)
    try:
        await asyncio.to_thread(sign_in, response, request.app.state.local, secret)
    except Denied as error:
        return page(request, "review_sign_in.html", status_code=403, review_id=review, error=error)
    return response


async def signed_out(request: Request) -> Response:
    """Forget the key, and let somebody else sign in."""
    response = RedirectResponse(f"/reviews/{request.path_params['review']}/sign-in", 303)
    sign_out(response)
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
        is_signed_in=is_signed_in(request),
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
    Route("/reviews/{review}/sign-in", sign_in_form),
    Route("/reviews/{review}/sign-in", signed_in, methods=["POST"]),
    Route("/reviews/{review}/sign-out", signed_out, methods=["POST"]),
]
