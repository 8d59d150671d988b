"""Refuses what an address asks beside what its operation takes: a mistyped filter shows nothing."""

from collections.abc import Iterable
from typing import Any, get_args, get_origin

from starlette.requests import Request

from lineside.core import Invalid, did_you_mean

_NAMED_MAX = 5
_READ_CHARACTERS_MAX = 60


async def only_known(request: Request) -> None:
    """Refuse query parameters that the operation does not declare, or that it takes once.

    What it takes is what FastAPI has read from the signature of its handler. A program that is
    told everything in answer to `?relase=v2` goes on as if it had been told of one release, and
    one that sends `dryrun=true` erases. Of `?use_case=a&use_case=b` the last would count alone.

    Raises:
        Invalid: Names what was read, the nearest that there is, and all that there are.
    """
    if request.scope["query_string"]:
        fields = request.scope["route"].dependant.query_params
        refuse_unknown(request, [field.alias for field in fields])
        lists = {one.alias for one in fields if _is_list(one.field_info.annotation)}
        for name in request.query_params:
            if name not in lists:
                _refuse_repeated(request, name)


def refuse_unknown(request: Request, known: Iterable[str] = ()) -> None:
    """The same for a plain route, which says itself what it takes."""
    takes = tuple(known)
    unknown = [name for name in request.query_params if name not in takes]
    if not unknown:
        return
    names = ", ".join(f"`{name[:_READ_CHARACTERS_MAX]}`" for name in unknown[:_NAMED_MAX])
    more = len(unknown) - _NAMED_MAX
    many = len(unknown) > 1
    raise Invalid(
        "unknown_parameter",
        f"`{request.method} {request.url.path[:200]}` has no query parameter{'s' * many} {names}"
        + (f" and {more:,} more" if more > 0 else ""),
        hint=_instead(unknown[:_NAMED_MAX], takes),
    )


def _refuse_repeated(request: Request, name: str) -> None:
    values = request.query_params.getlist(name)
    if len(values) == 1:
        return
    read = ", ".join(f"`{value[:_READ_CHARACTERS_MAX]}`" for value in values[:_NAMED_MAX])
    more = len(values) - _NAMED_MAX
    raise Invalid(
        "repeated_parameter",
        f"`{request.method} {request.url.path[:200]}` takes `{name}` once, "
        f"and it is given {len(values):,} times: {read}" + (f" and {more:,} more" * (more > 0)),
        hint="Send it once; ask once for each value where you want several.",
    )


def _is_list(annotation: Any) -> bool:
    return list in (get_origin(annotation), *map(get_origin, get_args(annotation)))


def _instead(unknown: Iterable[str], takes: tuple[str, ...]) -> str:
    if not takes:
        return "It takes no query parameters; what it takes stands in `/api/docs`."
    near = dict.fromkeys(did_you_mean(name[:_READ_CHARACTERS_MAX], takes) for name in unknown)
    meant = " and ".join(f"`{name}`" for name in near if name)
    question = f"Did you mean {meant}? " if meant else ""
    return f"{question}It takes {', '.join(f'`{name}`' for name in takes)}."
