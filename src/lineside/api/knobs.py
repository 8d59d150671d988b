"""`/api/usecases/{name}/knobs`: what users may turn, for the control that stands in an app.

Who the user is says the header `X-Lineside-User`, which an app's own server sets.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from lineside.api.caller import model_caller
from lineside.apps import knobs_now
from lineside.core import Invalid, Record
from lineside.trust import Scope

router = APIRouter(tags=["knobs"])

_USER_CHARACTERS_MAX = 400


class KnobSetting(Record):
    """Where to leave a knob; null gives it back to the operator."""

    value: Any = None


async def _scope(request: Request) -> Scope:
    return await model_caller(request, request.app.state.local)


def _user(request: Request) -> str | None:
    user = request.headers.get("x-lineside-user", "").strip()
    if len(user) > _USER_CHARACTERS_MAX:
        raise Invalid(
            "bad_user", f"The user has {len(user):,} characters, at most {_USER_CHARACTERS_MAX}"
        )
    return user or None


Caller = Annotated[Scope, Depends(_scope)]
User = Annotated[str | None, Depends(_user)]


@router.get("/usecases/{name}/knobs")
async def knobs(request: Request, scope: Caller, user: User, name: str) -> knobs_now.KnobsNow:
    """What each knob stands at for a user, and the values there is evidence for."""
    found: knobs_now.KnobsNow = await request.app.state.serving.knobs.now(scope, name, user=user)
    return found


@router.put("/usecases/{name}/knobs/{knob}")
async def turn_knob(
    request: Request, scope: Caller, user: User, name: str, knob: str, setting: KnobSetting
) -> knobs_now.KnobsNow:
    """Leave a user's knob at a value, for every call that names the user."""
    if user is None:
        raise Invalid(
            "no_user",
            "Nobody is named whose knob it is",
            hint="Send the header `X-Lineside-User`; `lineside deploy --knob` turns it for all.",
        )
    found: knobs_now.KnobsNow = await request.app.state.serving.knobs.turn(
        scope, name, knob, setting.value, user=user
    )
    return found
