"""What people call what was judged: a release by its number, all else by what it is and since when.

A digest tells things apart and tells nobody anything; it stands one click below, on the run's page.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lineside.apps.candidate import get_candidate
from lineside.apps.knobs import read_subject
from lineside.apps.release import list_releases
from lineside.core import NotFound, clock
from lineside.evals import Run
from lineside.trust import Scope

_WORDS_MAX = 40
_MARK_CHARACTERS = 4
_DRAWN = re.compile(r"[0-9a-f]{12}")
"""How the version of a function reads that was given none."""
_TARGETS = {"traces": "recorded traces", "outputs": "answers on file"}


def name_subjects(scope: Scope, use_case: str | None, runs: Sequence[Run]) -> dict[str, str]:
    """What to call what runs judged, by their `subject`; no two of a use case share a name.

    A release is `v3`, a refusal as `Release.label` has it, with the knobs that a run turned. What
    was only tested is a candidate since the day it was built; a function or endpoint goes by its
    name and version, or by when it was judged first among these runs. Where that is not enough to
    tell two apart, their models are named, or the start of their digests.

    Args:
        use_case: That of the runs; nothing for runs of several.
    """
    if use_case is None:
        groups: dict[str, list[Run]] = defaultdict(list)
        for run in runs:
            groups[run.use_case].append(run)
        named = [name_subjects(scope, name, group) for name, group in groups.items()]
        return {subject: name for each in named for subject, name in each.items()}
    labels = {one.digest: one.label for one in reversed(list_releases(scope, use_case))}
    first: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: run.started_at):
        first.setdefault(run.subject, run)
    called = {subject: _name(scope, run, labels) for subject, run in first.items()}
    names = {subject: one.name for subject, one in called.items()}
    for group in _sharing(names):
        if len({called[subject].model for subject in group}) > 1:
            names |= {subject: f"{names[subject]}, {called[subject].model}" for subject in group}
    for characters in (_MARK_CHARACTERS, 64):
        names |= {
            subject: f"{names[subject]} ({_mark(subject, characters)})"
            for group in _sharing(names)
            for subject in group
        }
    return names


class _Called(NamedTuple):
    name: str
    model: str = ""


def _sharing(names: Mapping[str, str]) -> list[list[str]]:
    """Subjects of the same name, together."""
    groups = defaultdict(list)
    for subject, name in names.items():
        groups[name].append(subject)
    return [group for group in groups.values() if len(group) > 1]


def _name(scope: Scope, run: Run, labels: Mapping[str, str]) -> _Called:
    digest, settings = read_subject(run.subject)
    turned = ", ".join(f"{name} {value}" for name, value in settings.items())
    label = labels.get(digest)
    called = _Called(label) if label else _unreleased(scope, run, digest)
    return called._replace(name=f"{called.name} with {turned}") if turned else called


def _unreleased(scope: Scope, run: Run, digest: str) -> _Called:
    target = run.plan.target
    if run.compares:
        return _Called(f"answers of two runs, {clock.day(run.started_at)}")
    if target.kind == "release" and digest.startswith("sha256:"):
        try:
            candidate = get_candidate(scope.store, scope.workspace, digest)
        except NotFound:
            return _Called(f"candidate of {clock.day(run.started_at)}")
        return _Called(f"candidate of {clock.day(candidate.created_at)}", _cut(candidate.model))
    if target.kind == "release":
        function, _, version = digest.rpartition("@")
        name = _versioned(function or digest, "" if _DRAWN.fullmatch(version) else version, run)
        return _Called(name)
    if target.kind in _TARGETS:
        return _Called(f"{_TARGETS[target.kind]} of {clock.day(run.started_at)}")
    return _Called(_versioned(target.reference, target.options.get("version", ""), run))


def _versioned(name: str, version: str, run: Run) -> str:
    words = f"version {_cut(version)}" if version else f"of {clock.day(run.started_at)}"
    return f"{_cut(name)} {words}"


def _cut(text: str) -> str:
    return text if len(text) <= _WORDS_MAX else f"{text[: _WORDS_MAX - 1]}…"


def _mark(subject: str, characters: int) -> str:
    if subject.startswith("sha256:"):
        return subject.removeprefix("sha256:")[:characters]
    return subject[-characters:]
