"""`/api/privacy`: what is masked before it is kept, how long traces are kept, erasing them."""

from fastapi import APIRouter

from lineside.api.caller import Caller
from lineside.core import Record
from lineside.traces import privacy, rewriting

router = APIRouter(tags=["privacy"])


class MaskWish(Record):
    """A rule to be made; without `pattern` and `field`, of a pattern that comes with lineside."""

    pattern: str | None = None
    field: str | None = None


class RetentionWish(Record):
    """How long traces are kept: nothing in `use_case` means unclaimed, in `days` for ever."""

    use_case: str | None = None
    days: int | None = None


class TextToTry(Record):
    """A text whose masking is to be seen."""

    text: str


@router.get("/privacy/rules")
def mask_rules(scope: Caller) -> list[privacy.MaskRule]:
    """What is masked, in the order the rules were made."""
    return privacy.list_rules(scope)


@router.put("/privacy/rules/{name}")
def mask(scope: Caller, name: str, wish: MaskWish) -> privacy.MaskRule:
    """Have something masked in all that arrives from now on; takes the right `privacy`."""
    return privacy.mask(scope, name, pattern=wish.pattern, field=wish.field)


@router.delete("/privacy/rules/{name}")
def unmask(scope: Caller, name: str) -> privacy.MaskRule:
    """Keep something as it comes again."""
    return privacy.unmask(scope, name)


@router.post("/privacy/try")
def try_rules(scope: Caller, wish: TextToTry) -> TextToTry:
    """What would be kept of a text."""
    return TextToTry(text=privacy.try_rules(scope, wish.text))


@router.get("/privacy/retention")
def retentions(scope: Caller) -> list[rewriting.Retention]:
    """What is not kept for ever."""
    return rewriting.list_retentions(scope)


@router.put("/privacy/retention")
def retain(scope: Caller, wish: RetentionWish) -> rewriting.Retention | None:
    """Say how long traces of a use case are kept; older ones are deleted within a day."""
    return rewriting.retain(scope, wish.use_case, days=wish.days)


@router.delete("/traces")
def erase(
    scope: Caller,
    user: str | None = None,
    session: str | None = None,
    trace: str | None = None,
    dry_run: bool = False,
) -> rewriting.Erased:
    """Erase for good what a user, a session or a trace has left; takes the right `erase`."""
    return rewriting.erase(scope, user=user, session=session, trace=trace, only_look=dry_run)
