"""Indexing as a durable job: begun once for the same sources, finished by whoever is alive.

What was read of a source is kept under the digest of its bytes, so indexing again after a change
reads only what changed, and a process that takes over does not begin anew.
"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import orjson

from lineside.apps import queries
from lineside.apps.answers.passages import cut_passages
from lineside.apps.answers.reader import SourceReader
from lineside.apps.answers.sections import is_readable
from lineside.core import Invalid, new_id
from lineside.store import Store, digest_of
from lineside.trust import Scope
from lineside.usecases import UseCaseFolder

JOB = "index-sources"
_SHOWN = 20
_READING = 2
"""Goes up when a source is read or kept otherwise, so that nothing kept before is taken up."""


def register_indexing(store: Store) -> None:
    """Say what performs indexing; from then on this process does."""
    store.jobs.register(JOB, lambda payload: _perform(store, **payload))


def index_sources(scope: Scope, folder: UseCaseFolder) -> str:
    """Index the sources of an `answer` app and return the digest of the index.

    The same sources give the same index. Waits until it is there.

    Raises:
        Invalid: A source cannot be read, or there is none; says each.
    """
    paths = _readable(folder)
    blobs = scope.store.blobs
    sources = {path: blobs.put(folder.read_file(path)) for path in paths}
    words_max = folder.manifest.app.retrieval.words
    recipe = _recipe({"index": sources, "words": words_max})
    known = _known(scope.store, scope.workspace, recipe)
    if known is not None:
        return known
    job_id = f"{JOB}-{scope.workspace}-{recipe}"
    if scope.store.jobs.is_done(job_id):  # it failed, or its index is gone
        job_id = f"{job_id}-{new_id('job')}"
    payload = {
        "workspace": scope.workspace,
        "sources": sources,
        "words_max": words_max,
        "recipe": recipe,
    }
    scope.store.jobs.ensure(JOB, job_id, payload)
    done = scope.store.jobs.result(job_id)
    if done["problems"]:
        raise Invalid(
            "sources_unreadable",
            "\n".join(done["problems"][:_SHOWN]),
            hint="Correct these, or take them out of `sources`; nothing was indexed.",
        )
    return str(done["index"])


def _readable(folder: UseCaseFolder) -> list[str]:
    """Sources to read: all that are named, and of a folder those whose ending is known."""
    named = folder.manifest.app.sources
    paths = [path for path in folder.source_files() if path in named or is_readable(path)]
    if not paths:
        raise Invalid(
            "no_sources",
            f"Nothing in {', '.join(f'`{path}`' for path in named[:5])} can be read as a source",
            hint="Put Markdown, HTML, PDF, DOCX or text files there.",
        )
    return paths


def _perform(
    store: Store, *, workspace: str, sources: Mapping[str, str], words_max: int, recipe: str
) -> dict[str, Any]:
    # Read here, because a server that serves no answers should not load what this needs.
    from lineside.apps.answers.index import build_index, unpack_part

    problems, parts = [], []
    with SourceReader() as reader:
        for path, digest in sorted(sources.items()):
            try:
                part = _part(store, workspace, reader, path, digest, words_max=words_max)
                parts.append((path, digest, part))
            except Invalid as error:
                problems.append(f"{error.message}. {error.hint or ''}".strip())
    if problems:
        return {"index": None, "problems": problems}
    content = build_index(
        (path, digest, unpack_part(store.blobs.get(part), source=path))
        for path, digest, part in parts
    )
    return {"index": _keep(store, workspace, recipe, content), "problems": []}


def _part(
    store: Store, workspace: str, reader: SourceReader, path: str, digest: str, *, words_max: int
) -> str:
    from lineside.apps.answers.index import make_part, pack_part

    ending = path.rpartition(".")[2].casefold()
    recipe = _recipe({"part": digest, "ending": ending, "words": words_max})
    known = _known(store, workspace, recipe)
    if known is not None:
        return known
    sections = reader.read(path, store.blobs.get(digest))
    content = pack_part(make_part(cut_passages("", sections, words_max=words_max)))
    return _keep(store, workspace, recipe, content)


def _recipe(parts: Mapping[str, Any]) -> str:
    packages = {name: version(name) for name in ("lineside", "markdown-it-py", "pypdf")}
    made_by = {**packages, "reading": _READING, **parts}
    return digest_of(orjson.dumps(made_by, option=orjson.OPT_SORT_KEYS))


def _known(store: Store, workspace: str, recipe: str) -> str | None:
    with store.records.read() as connection:
        digest = queries.artefact_of(connection, workspace, recipe)
    return digest if digest is not None and digest in store.blobs else None


def _keep(store: Store, workspace: str, recipe: str, content: bytes) -> str:
    digest = store.blobs.put(content)
    with store.records.write() as connection:
        queries.keep_artefact(connection, workspace, recipe, digest)
    return digest
