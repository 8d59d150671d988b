"""`/usecases/{name}/try`: a form made from the app's own schema, and its answer."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineside.apps import (
    Call,
    CallAnswer,
    current_rollout,
    get_release,
    kept_answers,
    knobs_now,
    live_schemas,
)
from lineside.core import LinesideError
from lineside.evals import results_of
from lineside.stats import plots
from lineside.trust import Scope
from lineside.usecases import UseCase, get_use_case
from lineside.web.errors import status_of
from lineside.web.forms import FormField, fields_of, read_form, with_typed
from lineside.web.found import found_passages
from lineside.web.render import page, short
from lineside.web.traces import correction_fields

_EXAMPLES_SHOWN = 4
_LONG_CHARACTERS = 60


class TryForm(NamedTuple):
    """What the form is made of.

    Attributes:
        fields: The input of the live release.
        knobs: Those that a user may turn.
        examples: Inputs taken from the cases it was judged by.
    """

    use_case: UseCase
    release: str
    fields: list[FormField]
    knobs: list[FormField]
    examples: list[dict[str, Any]]


async def show_form(request: Request) -> Response:
    """The empty form, or one filled with an example."""
    return await asyncio.to_thread(_form_page, request, await _knobs(request))


def _form_page(request: Request, knobs: Sequence[knobs_now.KnobNow]) -> Response:
    form = _try_form(request.app.state.local, request.path_params["name"], knobs)
    asked = request.query_params.get("example", "")
    if asked.isdecimal() and int(asked[:4]) < len(form.examples):
        schema = live_schemas(request.app.state.local, form.use_case.name)["input"]
        form = form._replace(fields=fields_of(schema, form.examples[int(asked[:4])]))
    return _page(request, form)


async def answer(request: Request) -> Response:
    """Ask the live release; what does not fit is said beside the form, which keeps its content."""
    scope: Scope = request.app.state.local
    name = request.path_params["name"]
    typed = {key: text for key, text in (await request.form()).items() if isinstance(text, str)}
    form = await asyncio.to_thread(_try_form, scope, name, await _knobs(request))
    kept = form._replace(fields=with_typed(form.fields, typed), knobs=with_typed(form.knobs, typed))
    try:
        payload = read_form(form.fields, typed)
        call = Call(input=payload, knobs=read_form(form.knobs, typed))
        # Who tries it out wants to see what it answers now.
        anew = kept_answers.CacheWish(seconds=0)
        given = await request.app.state.serving.call(scope, name, call, wish=anew)
    except LinesideError as error:
        return await asyncio.to_thread(_page, request, kept, error=error)
    return await asyncio.to_thread(_page, request, kept, given=given)


def _page(
    request: Request,
    form: TryForm,
    *,
    error: LinesideError | None = None,
    given: CallAnswer | None = None,
) -> Response:
    scope: Scope = request.app.state.local
    manifest = form.use_case.manifest
    is_grounded = manifest is not None and manifest.app.kind == "answer"
    return page(
        request,
        "try.html",
        status_code=status_of(error)[0] if error else 200,
        form=form,
        previews=[short(example) for example in form.examples],
        error=error,
        answer=given,
        outputs=_outputs(given.output, is_grounded=is_grounded) if given else [],
        citations=given.output["citations"] if given and is_grounded else [],
        passages=found_passages(given.output["documents"]) if given and is_grounded else None,
        is_grounded=is_grounded,
        level=_level(given) if given else None,
        correction=correction_fields(scope, form.use_case.name, given.output) if given else [],
    )


async def _knobs(request: Request) -> Sequence[knobs_now.KnobNow]:
    scope: Scope = request.app.state.local
    now = await request.app.state.serving.knobs.now(scope, request.path_params["name"])
    return tuple(now.knobs)


def _try_form(scope: Scope, name: str, knobs: Sequence[knobs_now.KnobNow]) -> TryForm:
    use_case = get_use_case(scope, name)
    schemas = live_schemas(scope, name)
    return TryForm(
        use_case=use_case,
        release=schemas["release"],
        fields=fields_of(schemas["input"], {}),
        knobs=[field for knob in knobs for field in _knob_fields(knob)],
        examples=_examples(scope, name),
    )


def _knob_fields(now: knobs_now.KnobNow) -> list[FormField]:
    """A field for a knob that is the user's, with what is offered; others no call can turn."""
    knob = now.knob
    if knob.who != "user":
        return []
    schema: dict[str, Any] = {"description": knob.description or ""}
    if knob.kind == "choice":
        schema |= {"enum": list(now.offered)}
    elif knob.kind == "number":
        offered = ", ".join(f"{value:g}" for value in now.offered)
        schema |= {"type": "number", "description": f"{schema['description']} ({offered})".strip()}
    else:
        schema |= {"type": "boolean"}
    one = {"properties": {knob.name: schema}, "required": [knob.name]}
    return fields_of(one, {knob.name: now.value}, prefix="knob.")


def _examples(scope: Scope, name: str) -> list[dict[str, Any]]:
    """Inputs of some cases that the live release was judged by, and got right."""
    rollout = current_rollout(scope, name)
    if rollout is None:
        return []
    run_id = get_release(scope, rollout.live.release_id).run_id
    results = results_of(scope, run_id, only="fine", limit=_EXAMPLES_SHOWN)
    return [result.input for result in results]


def _outputs(output: Mapping[str, Any], *, is_grounded: bool) -> list[dict[str, Any]]:
    """Each output field as it is shown; confidence and citations have places of their own."""
    shown = []
    for name, value in output.items():
        if is_grounded and name != "answer":
            continue
        if name == "confidence" and len(output) > 1:
            continue
        text = value if isinstance(value, str) else short(value)
        label = name.replace("_", " ").capitalize()
        shown.append({"label": label, "text": text, "is_long": len(text) > _LONG_CHARACTERS})
    return shown


def _level(given: CallAnswer) -> Any:
    if given.confidence is None:
        return None
    bar = given.knobs.get("hand_off_below")
    mark = float(bar) if isinstance(bar, int | float) and bar > 0 else None
    label = f"a person decides below {mark:g}" if mark is not None else ""
    return plots.level_bar(
        "Confidence of the answer", given.confidence, mark=mark, mark_label=label
    )


ROUTES = [
    Route("/usecases/{name}/try", show_form, methods=["GET"]),
    Route("/usecases/{name}/try", answer, methods=["POST"]),
]
