"""Whether two runs mean the same by a score: a difference between scorers is none of candidates."""

from collections.abc import Mapping

import orjson

from lineside.evals.judge_summary import is_judge
from lineside.evals.run import Run, RunScorer
from lineside.evals.scorers import files_named
from lineside.store import Store

_STANDS_FOR = b"# sha256:"
"""How a file begins that stands for a function of a program: the digest of its text."""


def other_scorers(store: Store, before: Run, after: Run) -> dict[str, str]:
    """Why scores of the same name say nothing about two runs together, as a clause for each.

    Judges are left out: a licence tells whether one and the same judged both runs.
    """
    old = {item.name: item for item in before.scorers}
    reasons = {
        item.name: _reason(store, (before, old[item.name]), (after, item))
        for item in after.scorers
        if item.name in old and not is_judge(item) and not is_judge(old[item.name])
    }
    return {name: reason for name, reason in reasons.items() if reason}


def _reason(store: Store, *sides: tuple[Run, RunScorer]) -> str | None:
    (before, old), (after, new) = sides
    if (old.kind, old.arguments) != (new.kind, new.arguments):
        return (
            f"`{new.name}` is another scorer in run `{before.id}`, {_said(old)}, than in run "
            f"`{after.id}`, {_said(new)}"
        )
    files = _files(store, before, old), _files(store, after, new)
    changed = [path for path in sorted(files[0] | files[1]) if not _is_same(path, *files)]
    if not changed:
        return None
    return (
        f"the scorer `{new.name}` has changed between run `{before.id}` and run `{after.id}`: "
        f"another `{changed[0]}`"
    )


def _said(item: RunScorer) -> str:
    if item.kind == "python":
        return "a function"
    arguments = orjson.dumps(item.arguments).decode() if item.arguments else ""
    return f"`{item.kind}{arguments[:80]}`"


def _files(store: Store, run: Run, item: RunScorer) -> dict[str, bytes]:
    digests = {path: run.scorer_files.get(path, "") for path in files_named(item)}
    return {path: _identity(store, digest) for path, digest in digests.items()}


def _identity(store: Store, digest: str) -> bytes:
    content = store.blobs.get(digest) if digest else b""
    # What stands for a function names the run it belongs to as well, which changes nothing.
    return content.partition(b"\n")[0] if content.startswith(_STANDS_FOR) else digest.encode()


def _is_same(path: str, old: Mapping[str, bytes], new: Mapping[str, bytes]) -> bool:
    return old.get(path) == new.get(path)
