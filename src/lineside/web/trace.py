"""`/traces/{id}`: one trace, what failed and what took the time first, then all of its steps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lineside.core import Invalid, NotFound
from lineside.traces import Feedback, Span, list_feedback, marks, scores, search, views
from lineside.trust import Scope
from lineside.web.call_graph import graph_plot
from lineside.web.media import safe_type
from lineside.web.ranges import ranged
from lineside.web.render import page
from lineside.web.traces import correction_fields, release_labels
from lineside.web.waterfall import OutlineStep, spoken, unfold

_LOOKS_MAX = 6
_GRAPH_STEPS_MAX = 2_000
_MODELS_SHOWN = 3
_SCORES_SHOWN = 100


class Copies(NamedTuple):
    """A step to take along; empty where it cannot be."""

    curl: str
    case: str


def trace(request: Request) -> Response:
    """One trace: how it went in figures, what failed, what took the time, and every step."""
    scope: Scope = request.app.state.local
    trace_id, asked = request.path_params["trace_id"], request.query_params
    steps = views.outline_tree(scope, trace_id)
    chosen, under = (_number_of(steps, asked.get(name)) for name in ("step", "under"))
    wholes = views.get_steps(scope, trace_id, _worth_reading(steps, chosen))
    root = wholes[steps[0].span.span_id]
    talk = spoken([root, *(wholes.get(id_) for id_ in views.talking(steps))])
    said = list_feedback(scope, trace_id=trace_id)
    first = _first_number(asked.get("from"))
    whole_ms = _whole_ms(steps)
    return page(
        request,
        "trace.html",
        root=root,
        trace_id=trace_id,
        rows=unfold(steps, whole_ms, under=under, first=first, chosen=chosen),
        whole_ms=whole_ms,
        opened=_opened(request, steps[chosen - 1].span, wholes, said) if chosen else None,
        talk=talk,
        graph=_graph(scope, trace_id, steps, is_asked="graph" in asked),
        copies=_copies(request, root, said),
        talk_copies=_copies(request, talk.span, said) if talk else None,
        label=release_labels(scope, root.use_case).get(root.release or "") or root.release,
        is_ours=root.kind == "app",
        feedback=said,
        marks=marks.marks_on(scope, trace_id),
        sent_tags=search.tags_sent(scope, trace_id),
        scores=scores.list_scores(scope, trace_id=trace_id, limit=_SCORES_SHOWN),
        correction=correction_fields(scope, root.use_case, root.output),
        thanks="thanks" in asked,
        **_summary(steps, root, whole_ms),
    )


def rows(request: Request) -> Response:
    """Rows for the children of a step, to be put into the page; the script asks for them."""
    scope: Scope = request.app.state.local
    trace_id, asked = request.path_params["trace_id"], request.query_params
    steps = views.outline_tree(scope, trace_id)
    under = _number_of(steps, asked.get("under"))
    first = _first_number(asked.get("from"))
    found = unfold(steps, _whole_ms(steps), under=under, first=first, within=True)
    # What comes before was shown when what comes after is asked for.
    if first > 1 and found and not hasattr(found[0], "step"):
        found = found[1:]
    return page(request, "trace_rows.html", rows=found, trace_id=trace_id, opened=None, chosen="")


def step(request: Request) -> Response:
    """What one step was told and said, to be put below its row."""
    scope: Scope = request.app.state.local
    trace_id, span_id = (request.path_params[name] for name in ("trace_id", "span_id"))
    wholes = views.get_steps(scope, trace_id, [span_id])
    if span_id not in wholes:
        raise NotFound("unknown_step", f"The trace has no step `{span_id[:40]}`")
    opened = _opened(request, wholes[span_id], wholes, list_feedback(scope, trace_id=trace_id))
    return page(request, "trace_step.html", opened=opened)


def compare(request: Request) -> Response:
    """Lead to the comparison with the trace that was pasted, or with the one before."""
    scope: Scope = request.app.state.local
    trace_id, asked = request.path_params["trace_id"], request.query_params
    before = asked.get("before")
    if before:
        steps = views.outline_tree(scope, trace_id)
        head = steps[0].span.span_id
        root = views.get_steps(scope, trace_id, [head])[head]
        return _to_diff(views.previous_trace(scope, root, of=before), trace_id)
    pasted = asked.get("with", "").strip().rstrip("/").rpartition("/")[2]
    if not pasted:
        raise Invalid("no_trace_given", "No trace to compare with was given", hint="Paste its id.")
    return _to_diff(search.whole_id(scope, pasted), trace_id)


def blob(request: Request) -> Response:
    """What was too large to stay in its step: shown where that is safe, else saved as a file.

    A browser may ask for a part of it, as it does to seek in sound.
    """
    scope: Scope = request.app.state.local
    scope.require("read")
    digest = request.path_params["digest"]
    content = scope.store.payloads.get(digest)
    kind = safe_type(content)
    name = digest.removeprefix("sha256:")[:12]
    media_type = kind or "application/octet-stream"
    answer = ranged(request.headers, content, etag=name, media_type=media_type)
    if kind is None:
        answer.headers["content-disposition"] = f'attachment; filename="{name}.bin"'
    return answer


def _to_diff(left_id: str, right_id: str) -> Response:
    return RedirectResponse(f"/traces/{left_id}/diff/{right_id}", 303)


def _worth_reading(steps: Sequence[OutlineStep], chosen: int) -> list[str]:
    ids = [steps[0].span.span_id, *views.talking(steps)]
    return list(dict.fromkeys([*ids, *([steps[chosen - 1].span.span_id] if chosen else [])]))


def _number_of(steps: Sequence[OutlineStep], span_id: str | None) -> int:
    """The number of a step, 0 where none is asked for or it is not there."""
    if not span_id:
        return 0
    return next((step.number for step in steps if step.span.span_id == span_id), 0)


def _whole_ms(steps: Sequence[OutlineStep]) -> float:
    return max(step.offset_ms + step.span.duration_ms for step in steps)


def _summary(steps: Sequence[OutlineStep], root: Span, whole_ms: float) -> dict[str, Any]:
    failed = views.first_failures(steps)
    waits = views.longest_waits(steps)
    models = dict.fromkeys(step.span.model for step in steps if step.span.model)
    paid = views.paying(step.span for step in steps)
    return {
        "duration_ms": whole_ms if root.parent_span_id else root.duration_ms,
        "steps_count": len(steps),
        "failed": failed[:_LOOKS_MAX],
        "failed_count": len(failed),
        "waits": waits[:_LOOKS_MAX],
        "waits_more": max(0, len(waits) - _LOOKS_MAX),
        "paid": paid,
        "models": list(models)[:_MODELS_SHOWN],
        "models_count": len(models),
        "lost": sum(not step.parent and step.span.parent_span_id is not None for step in steps),
    }


def _opened(
    request: Request,
    found: Span | views.Outline,
    wholes: Mapping[str, Span],
    said: Sequence[Feedback],
) -> dict[str, Any]:
    span = wholes[found.span_id]
    return {"span": span, "talk": spoken([span]), "copies": _copies(request, span, said)}


def _graph(
    scope: Scope, trace_id: str, steps: Sequence[OutlineStep], *, is_asked: bool
) -> dict[str, Any] | None:
    """The drawn graph; of a very long trace only when it is asked for."""
    if len(steps) > _GRAPH_STEPS_MAX and not is_asked:
        return None
    graph = views.call_graph(scope, trace_id, steps)
    links = [_step_link(steps[node.first - 1].span.span_id) for node in graph.nodes]
    return {"graph": graph, "plot": graph_plot("Who called whom", graph, links)}


def _step_link(span_id: str) -> str:
    return f"?{urlencode({'step': span_id})}#s-{span_id}"


def _copies(request: Request, span: Span, said: Sequence[Feedback]) -> Copies:
    server = str(request.base_url).rstrip("/")
    return Copies(
        _unless_refused(lambda: views.as_curl(span, server=server)),
        _unless_refused(lambda: views.as_case(span, said)),
    )


def _unless_refused(make: Callable[[], str]) -> str:
    try:
        return make()
    except Invalid:
        return ""


def _first_number(text: str | None) -> int:
    """From which child on to show; whatever was typed, there is something to see."""
    return max(1, int(text)) if text and text.isdecimal() and len(text) < 8 else 1


ROUTES = [
    Route("/traces/{trace_id}", trace),
    Route("/traces/{trace_id}/rows", rows),
    Route("/traces/{trace_id}/steps/{span_id}", step),
    Route("/traces/{trace_id}/diff", compare),
    Route("/blobs/{digest}", blob),
]
