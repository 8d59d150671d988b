"""`/api/budgets`: what calls may take, and how far it is used."""

from fastapi import APIRouter
from pydantic import Field

from lineside.api.caller import Caller
from lineside.core import Record
from lineside.gateway import budgets

router = APIRouter(tags=["budgets"])


class CapWish(Record):
    """A limit to be set; one with the same subject, measure and period is replaced.

    Attributes:
        about: `workspace`, `key`, `team`, `use_case` or `session`.
        subject: A name, `*` for each by itself, `owner` for calls without a key; none of a
            workspace.
        amount: Requests, tokens or US dollars.
    """

    about: budgets.About
    subject: str = ""
    measure: budgets.Measure
    amount: float = Field(ge=0, allow_inf_nan=False)
    every: budgets.Every


@router.get("/budgets")
def budget_list(scope: Caller) -> list[budgets.CapUse]:
    """Every limit, with what is spent and reserved of it now; one of `*` once for each subject."""
    return budgets.cap_uses(scope)


@router.get("/budgets/{cap_id}")
def budget(scope: Caller, cap_id: str) -> list[budgets.CapUse]:
    """One limit, with what each of its subjects has spent and reserved, at most 200 of them."""
    return budgets.cap_uses(scope, cap_id=cap_id)


@router.post("/budgets", status_code=201)
def set_budget(scope: Caller, wish: CapWish) -> budgets.Cap:
    """Set a limit; it counts from the next call on, and what was spent stays spent."""
    return budgets.set_cap(
        scope,
        wish.about,
        wish.subject,
        measure=wish.measure,
        amount=wish.amount,
        every=wish.every,
    )


@router.delete("/budgets/{cap_id}")
def remove_budget(scope: Caller, cap_id: str) -> budgets.Cap:
    """Take a limit back, and forget what was counted for it."""
    return budgets.remove_cap(scope, cap_id)
