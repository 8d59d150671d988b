"""What could become a release: a folder with its fitted model, named by all that it holds."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from typing import Any

import orjson

from lineside.apps import queries
from lineside.apps.answers import index_sources
from lineside.core import Invalid, NotFound, Record, now
from lineside.gateway import ModelSetup, calls, provider_for
from lineside.store import Store, digest_of
from lineside.traces import prices
from lineside.trust import Scope
from lineside.usecases import UseCaseFolder, read_files


class Candidate(Record):
    """The complete, immutable content of an app, before anyone has said whether it may serve.

    Attributes:
        digest: Content address over files and fitted model: the same folder, the same digest.
        files: Relative path to the digest of its bytes, for everything the app reads.
        artefact: Digest of the fitted model or, for an `answer` app, of the index of its sources;
            nothing for a model that is not fitted here.
        model: The manifest's `app.model`.
    """

    digest: str
    use_case: str
    files: dict[str, str]
    artefact: str | None
    model: str
    kind: str
    created_at: datetime


def build_candidate(scope: Scope, folder: UseCaseFolder) -> Candidate:
    """Fit what must be fitted and put everything the app reads under its content address.

    Fitting is done once for the same inputs; the second build of an unchanged folder is quick.

    Raises:
        Invalid: The model cannot be set up from this folder; says every reason.
    """
    setup = setup_in(scope.store, folder)
    provider = provider_for(setup.spec)
    problems = provider.check(setup)
    if problems:
        raise Invalid(
            "model_setup_invalid",
            f"The model `{setup.spec}` cannot be set up:\n" + "\n".join(problems),
            hint="Change `app` in usecase.yaml, then run `lineside check`.",
        )
    contents = dict(folder.files)
    for path in provider.files(setup):
        contents.setdefault(path, folder.read_file(path))
    recorded = getattr(provider, "recorded", None)
    contents |= recorded(setup) if recorded else {}
    files = {path: scope.store.blobs.put(contents[path]) for path in sorted(contents)}
    is_answer = folder.manifest.app.kind == "answer"
    artefact = index_sources(scope, folder) if is_answer else _fitted(scope, setup, files)
    candidate = Candidate(
        digest=_content_digest(files, artefact),
        use_case=folder.manifest.name,
        files=files,
        artefact=artefact,
        model=setup.spec,
        kind=folder.manifest.app.kind,
        created_at=now(),
    )
    with scope.store.records.write() as connection:
        queries.keep_candidate(connection, scope.workspace, candidate.model_dump())
    return candidate


def get_candidate(store: Store, workspace: str, digest: str) -> Candidate:
    """Find what was built under a digest."""
    with store.records.read() as connection:
        row = queries.candidate_row(connection, workspace, digest)
    if row is None:
        raise NotFound("unknown_candidate", f"Nothing was built under the digest `{digest}`")
    return Candidate.model_validate(row)


def folder_of(store: Store, candidate: Candidate) -> UseCaseFolder:
    """The candidate's files as the folder they came from; read from content addresses alone."""
    return read_files({path: store.blobs.get(digest) for path, digest in candidate.files.items()})


def setup_in(store: Store, folder: UseCaseFolder, artefact: bytes | None = None) -> ModelSetup:
    """What the model's provider needs, with where this installation has its routes and prices."""
    return replace(
        folder.model_setup(artefact),
        gateway_file=calls.gateway_file(store.settings),
        price_tables=prices.PriceTables(store),
    )


def _fitted(scope: Scope, setup: ModelSetup, files: Mapping[str, str]) -> str | None:
    provider = provider_for(setup.spec)
    elsewhere = getattr(provider, "elsewhere", None)
    recipe = digest_of(
        orjson.dumps(
            {
                "lineside": version("lineside"),
                "spec": setup.spec,
                "input": dict(setup.input_schema),
                "output": dict(setup.output_schema),
                "options": dict(setup.options),
                "prompt": setup.prompt,
                # The manifest's other parts (owner, gate, rollout) do not change what is fitted.
                "files": {path: files[path] for path in files if path != "usecase.yaml"},
                "elsewhere": elsewhere(setup) if elsewhere else None,
            },
            option=orjson.OPT_SORT_KEYS,
        )
    )
    with scope.store.records.read() as connection:
        known = queries.artefact_of(connection, scope.workspace, recipe)
    if known is not None and known in scope.store.blobs:
        return known
    content = provider.fit(setup)
    if content is None:
        return None
    digest = scope.store.blobs.put(content)
    with scope.store.records.write() as connection:
        queries.keep_artefact(connection, scope.workspace, recipe, digest)
    return digest


def _content_digest(files: Mapping[str, str], artefact: str | None) -> str:
    content: dict[str, Any] = {"format": 1, "files": dict(files), "artefact": artefact}
    canonical = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return "sha256:" + hashlib.sha256(canonical).hexdigest()
