"""`/releases`: what was released or refused, what is in it, and who gets it."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineside.apps import Release, Rollout, current_rollout, get_release, list_releases
from lineside.core import NotFound
from lineside.evals import reports, verdicts
from lineside.stats import plots
from lineside.trust import Scope, ledger_entries
from lineside.usecases import list_use_cases
from lineside.web.evals import main_finding
from lineside.web.kept import Kept
from lineside.web.render import page

_RELEASES_SHOWN = 100
_ENTRIES_SHOWN = 50
_TEXT_BYTES_MAX = 200_000


def releases(request: Request) -> Response:
    """Releases and refusals, newest first, with what each is to its callers now."""
    scope: Scope = request.app.state.local
    use_case = request.query_params.get("use_case") or None
    found = list_releases(scope, use_case, limit=_RELEASES_SHOWN)
    names = sorted({release.use_case for release in found})
    rollouts = {name: current_rollout(scope, name) for name in names}
    return page(
        request,
        "releases.html",
        takes=("use_case",),
        rows=[_row(release, rollouts[release.use_case]) for release in found],
        use_case=use_case,
        use_cases=[known.name for known in list_use_cases(scope)],
    )


def release(request: Request) -> Response:
    """One release: what is in it, the word of its gate, and its entries in the ledger."""
    scope: Scope = request.app.state.local
    found = get_release(scope, request.path_params["release_id"])
    baseline = get_release(scope, found.baseline_id) if found.baseline_id else None
    return page(
        request,
        "release.html",
        release=found,
        baseline=baseline,
        checks=_explained(scope, found, request.app.state.kept),
        finding=main_finding(found.gate),
        state=_state(found, current_rollout(scope, found.use_case)),
        files=[
            {"path": path, "digest": digest, "bytes": _size(scope, digest)}
            for path, digest in sorted(found.files.items())
        ],
        artefact_bytes=_size(scope, found.artefact) if found.artefact else None,
        entries=ledger_entries(scope, subject=found.id, limit=_ENTRIES_SHOWN),
    )


def _explained(scope: Scope, found: Release, kept: Kept) -> list[dict[str, Any]]:
    """Each rule with its plot and the evidence behind it; neither changes any more."""
    lines = kept.get(("gate", found.id), lambda: verdicts.explain_gate(scope, found.gate))
    pictures = reports.rule_pictures(found.gate.verdict.findings)
    return [
        {**picture._asdict(), "line": line} for picture, line in zip(pictures, lines, strict=True)
    ]


def release_file(request: Request) -> Response:
    """The text of one file as it is in a release."""
    scope: Scope = request.app.state.local
    found = get_release(scope, request.path_params["release_id"])
    path = request.path_params["path"]
    if path not in found.files:
        raise NotFound("unknown_file", f"`{found.label}` holds no file `{path[:200]}`")
    content = scope.store.blobs.get(found.files[path])
    return page(
        request,
        "file.html",
        release=found,
        file=path,
        digest=found.files[path],
        bytes=len(content),
        text=_as_text(content),
        is_cut=len(content) > _TEXT_BYTES_MAX,
        bytes_max=_TEXT_BYTES_MAX,
    )


def _row(found: Release, rollout: Rollout | None) -> dict[str, Any]:
    finding = main_finding(found.gate)
    bar = None
    if finding is not None:
        row = plots.IntervalRow(finding.label, finding.value, finding.low, finding.high)
        bar = plots.interval_bar(finding.label, row, unit=finding.unit, threshold=finding.threshold)
    return {"release": found, "finding": finding, "bar": bar, "state": _state(found, rollout)}


def _state(found: Release, rollout: Rollout | None) -> str:
    """What a release is to its callers now, in a few words."""
    for arm in rollout.arms if rollout else ():
        if arm.release_id == found.id:
            return f"{arm.name}, {arm.percent:g} % of callers"
    if rollout and rollout.shadow and rollout.shadow.release_id == found.id:
        return f"shadow, copies of {rollout.shadow.percent:g} % of calls"
    return "may not be deployed" if found.status == "refused" else "not live"


def _size(scope: Scope, digest: str) -> int:
    return len(scope.store.blobs.get(digest))


def _as_text(content: bytes) -> str | None:
    """The text as far as it is shown, or nothing when it is no text."""
    cut = content[:_TEXT_BYTES_MAX]
    if b"\0" in cut:
        return None
    try:
        return content.decode("utf-8-sig")[:_TEXT_BYTES_MAX]
    except UnicodeDecodeError:
        return None


ROUTES = [
    Route("/releases", releases),
    Route("/releases/{release_id}", release),
    Route("/releases/{release_id}/files/{path:path}", release_file),
]
