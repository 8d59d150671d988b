"""`/datasets`: the kept versions of test cases, what is in them, what changed, what is twice."""

import asyncio
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lineside.core import Invalid
from lineside.evals import datasets as kept
from lineside.trust import Scope
from lineside.usecases import list_use_cases
from lineside.web.render import page

_LISTED_MAX = 200
_CASES_SHOWN = 25
_CHANGES_SHOWN = 100
_GROUPS_SHOWN = 50
_GROUP_CASES_SHOWN = 6
_VERSIONS_SHOWN = 30


def dataset_list(request: Request) -> Response:
    """Every dataset with its newest version, newest first."""
    scope: Scope = request.app.state.local
    use_case = request.query_params.get("use_case") or None
    return page(
        request,
        "datasets.html",
        takes=("use_case",),
        newest=kept.list_datasets(scope, use_case=use_case, only_newest=True, limit=_LISTED_MAX),
        use_case=use_case,
        use_cases=[known.name for known in list_use_cases(scope)],
    )


def dataset(request: Request) -> Response:
    """One version: what it is made of, its cases, its other versions, what is held out."""
    scope: Scope = request.app.state.local
    version = kept.find_dataset(scope, request.path_params["dataset_id"])
    asked = request.query_params
    cases = kept.kept_cases(scope, version)
    split, in_slice = asked.get("split", ""), asked.get("slice", "")
    name, _, value = in_slice.partition("=")
    found = kept.cases_page(
        cases,
        split=split or None,
        in_slice=(name, value) if name else None,
        after=_place(asked.get("after")),
        limit=_CASES_SHOWN + 1,
    )
    return page(
        request,
        "dataset.html",
        takes=("split", "slice", "after", "added"),
        version=version,
        cases=found[:_CASES_SHOWN],
        more=_more(found, split=split, slice=in_slice),
        split=split,
        in_slice=in_slice,
        makeup=request.app.state.kept.get(("makeup", cases.digest), lambda: kept.makeup_of(cases)),
        hidden=version.cases - len(cases),
        held=[
            part
            for part in kept.held_out.held_out_parts(scope, version.use_case)
            if part.name == version.name
        ],
        others=kept.list_datasets(
            scope, use_case=version.use_case, name=version.name, limit=_VERSIONS_SHOWN
        ),
        added=asked.get("added"),
    )


def diff(request: Request) -> Response:
    """Two versions side by side: which cases came, went and changed, and in which fields."""
    scope: Scope = request.app.state.local
    first, second = (
        kept.find_dataset(scope, request.path_params[name]) for name in ("first_id", "second_id")
    )
    found = kept.diff_datasets(scope, first, second)
    return page(
        request,
        "dataset_diff.html",
        diff=found,
        shown_max=_CHANGES_SHOWN,
        added=_of_ids(scope, second, found.added[:_CHANGES_SHOWN]),
        removed=_of_ids(scope, first, found.removed[:_CHANGES_SHOWN]),
    )


def choose_diff(request: Request) -> Response:
    """Lead to the comparison with the version that was chosen."""
    chosen = request.query_params.get("with", "")
    second = request.path_params["dataset_id"]
    found = kept.find_dataset(request.app.state.local, chosen)
    return RedirectResponse(f"/datasets/{found.id}/diff/{second}", 303)


def duplicates(request: Request) -> Response:
    """Cases that ask the same or nearly, those that leak between splits first."""
    scope: Scope = request.app.state.local
    version = kept.find_dataset(scope, request.path_params["dataset_id"])
    cases = {case.id: case for case in kept.kept_cases(scope, version)}
    found: kept.duplicates.Duplicates = request.app.state.kept.get(
        ("duplicates", version.digest), lambda: kept.duplicates.find_duplicates(scope, version)
    )
    groups = found.groups[:_GROUPS_SHOWN]
    return page(
        request,
        "dataset_duplicates.html",
        version=version,
        found=found,
        groups=[(group, _seen(group.case_ids, cases)) for group in groups],
    )


async def hold_out(request: Request) -> Response:
    """Hold a split out."""
    scope: Scope = request.app.state.local
    typed = await _typed(request)
    dataset_id = request.path_params["dataset_id"]

    def work() -> None:
        kept.held_out.hold_out(scope, kept.find_dataset(scope, dataset_id), typed.get("split", ""))

    await asyncio.to_thread(work)
    return RedirectResponse(f"/datasets/{dataset_id}#held-out", 303)


async def unlock(request: Request) -> Response:
    """Open a part that is held out, with the person's reason."""
    scope: Scope = request.app.state.local
    typed = await _typed(request)
    dataset_id = request.path_params["dataset_id"]

    def work() -> None:
        version = kept.find_dataset(scope, dataset_id)
        kept.held_out.unlock(
            scope,
            use_case=version.use_case,
            name=version.name,
            split=typed.get("split", ""),
            reason=typed.get("reason", ""),
        )

    await asyncio.to_thread(work)
    return RedirectResponse(f"/datasets/{dataset_id}#held-out", 303)


async def add_trace(request: Request) -> Response:
    """Make a case of the trace, and show the dataset that it is in."""
    scope: Scope = request.app.state.local
    typed = await _typed(request)
    trace_id = request.path_params["trace_id"]
    found = await asyncio.to_thread(
        kept.from_traces.add_traces,
        scope,
        [trace_id],
        use_case=typed.get("use_case") or None,
        name=typed.get("name") or kept.from_traces.FROM_TRACES,
    )
    if found.version is None or found.left_out:
        raise Invalid("no_case", found.left_out.get(trace_id, "No case can be made of it"))
    case_id = (found.added or list(found.known.values()))[0]
    told = urlencode({"added": case_id if found.added else f"{case_id} (was there)"})
    return RedirectResponse(f"/datasets/{found.version.id}?{told}", 303)


def _more(found: list[tuple[int, kept.Case]], **asked: str) -> str:
    """The rest of an address that goes on behind the page, where there is more."""
    if len(found) <= _CASES_SHOWN:
        return ""
    return urlencode({**asked, "after": found[_CASES_SHOWN - 1][0]})


def _of_ids(scope: Scope, version: kept.DatasetVersion, ids: list[str]) -> list[kept.Case]:
    wanted = set(ids)
    return [case for case in kept.kept_cases(scope, version) if case.id in wanted] if ids else []


def _seen(case_ids: list[str], cases: dict[str, kept.Case]) -> list[kept.Case]:
    """The first cases of a group that are not held out."""
    return [cases[case_id] for case_id in case_ids if case_id in cases][:_GROUP_CASES_SHOWN]


def _place(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else 0


async def _typed(request: Request) -> dict[str, str]:
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}


ROUTES = [
    Route("/datasets", dataset_list),
    Route("/datasets/{dataset_id}", dataset),
    Route("/datasets/{dataset_id}/diff", choose_diff),
    Route("/datasets/{first_id}/diff/{second_id}", diff),
    Route("/datasets/{dataset_id}/duplicates", duplicates),
    Route("/datasets/{dataset_id}/hold-out", hold_out, methods=["POST"]),
    Route("/datasets/{dataset_id}/unlock", unlock, methods=["POST"]),
    Route("/traces/{trace_id}/case", add_trace, methods=["POST"]),
]
