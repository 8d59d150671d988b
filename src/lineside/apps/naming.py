"""What people call what was judged: a release by its number, all else by what it is and since when.

A digest tells things apart and tells nobody anything; it stands one click below, on the run's page.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from lineside.apps.candidate import get_candidate
from lineside.apps.knobs import read_subject
from lineside.apps.release import list_releases
from lineside.core import NotFound
from lineside.evals import Run
from lineside.trust import Scope

_WORDS_MAX = 40
_DRAWN = re.compile(r"[0-9a-f]{12}")
"""How the version of a function reads that was given none."""
_TARGETS = {"traces": "recorded traces", "outputs": "answers on file"}


def name_subjects(scope: Scope, use_case: str, runs: Sequence[Run]) -> dict[str, str]:
    """What to call what runs of a use case judged, by their `subject`; no two share a name.

    A release is `v3`, a refusal as `Release.label` has it, with the knobs that a run turned. What
    was only tested is a candidate since the day it was built, with its model; a function or
    endpoint goes by its name and version, or by when it was judged first among these runs.
    """
    labels = {one.digest: one.label for one in reversed(list_releases(scope, use_case))}
    first: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: run.started_at):
        first.setdefault(run.subject, run)
    names = {subject: _name(scope, run, labels) for subject, run in first.items()}
    shared = {name for name, times in Counter(names.values()).items() if times > 1}
    return {
        subject: f"{name} ({_mark(subject)})" if name in shared else name
        for subject, name in names.items()
    }


def _name(scope: Scope, run: Run, labels: Mapping[str, str]) -> str:
    digest, settings = read_subject(run.subject)
    turned = ", ".join(f"{name} {value}" for name, value in settings.items())
    name = labels.get(digest) or _unreleased(scope, run, digest)
    return f"{name} with {turned}" if turned else name


def _unreleased(scope: Scope, run: Run, digest: str) -> str:
    target = run.plan.target
    if target.kind == "release" and digest.startswith("sha256:"):
        try:
            candidate = get_candidate(scope.store, scope.workspace, digest)
        except NotFound:
            return f"candidate of {_day(run.started_at)}"
        return f"candidate of {_day(candidate.created_at)}, {_cut(candidate.model)}"
    if target.kind == "release":
        function, _, version = digest.rpartition("@")
        return _versioned(function or digest, "" if _DRAWN.fullmatch(version) else version, run)
    if target.kind in _TARGETS:
        return f"{_TARGETS[target.kind]} of {_day(run.started_at)}"
    return _versioned(target.reference, target.options.get("version", ""), run)


def _versioned(name: str, version: str, run: Run) -> str:
    words = f"version {_cut(version)}" if version else f"of {_day(run.started_at)}"
    return f"{_cut(name)} {words}"


def _day(at: datetime) -> str:
    return at.astimezone().strftime("%-d %b %Y %H:%M")


def _cut(text: str) -> str:
    return text if len(text) <= _WORDS_MAX else f"{text[: _WORDS_MAX - 1]}…"


def _mark(subject: str) -> str:
    return subject.removeprefix("sha256:")[:6] if "sha256:" in subject else subject[-6:]
