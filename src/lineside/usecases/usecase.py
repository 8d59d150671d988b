"""The root record: a use case of a workspace, with the manifest it was last registered with."""

from datetime import datetime

from lineside.core import NotFound, Record, did_you_mean, new_id, now
from lineside.trust import Scope
from lineside.usecases import queries
from lineside.usecases.folder import UseCaseFolder
from lineside.usecases.manifest import Manifest


class UseCase(Record):
    """A problem and the app that serves it, as every dataset, run, release and call refers to it.

    Attributes:
        manifest: As it was when the folder was last tested or released; nothing where it is only
            watched, see `watch`.
        folder: Where the folder lay then, on the machine it was registered from; a hint for people.
        updated_at: When the manifest last changed.
    """

    id: str
    workspace: str
    name: str
    manifest: Manifest | None
    folder: str | None
    created_at: datetime
    updated_at: datetime


def register(scope: Scope, folder: UseCaseFolder) -> UseCase:
    """Make a folder's use case known to the workspace, or bring its manifest up to date."""
    scope.require("test", use_case=folder.name)
    manifest = folder.manifest.model_dump(mode="json")
    place = str(folder.path.resolve()) if folder.path else None
    with scope.store.records.read() as connection:
        known = queries.find_use_case(connection, scope.workspace, folder.name)
    if known is None or (known["manifest"], known["folder"]) != (manifest, place):
        with scope.store.records.write() as connection:
            queries.upsert_use_case(
                connection,
                scope.workspace,
                new_id=new_id("uc"),
                name=folder.name,
                manifest=manifest,
                folder=place,
                at=now(),
            )
            known = queries.find_use_case(connection, scope.workspace, folder.name)
    return UseCase.model_validate(known)


def get_use_case(scope: Scope, name: str) -> UseCase:
    """The use case of this name.

    Raises:
        NotFound: There is none; names the nearest.
    """
    scope.require("read", use_case=name)
    with scope.store.records.read() as connection:
        row = queries.find_use_case(connection, scope.workspace, name)
        names = [] if row else queries.use_case_names(connection, scope.workspace)
    if row:
        return UseCase.model_validate(row)
    if scope.use_cases is not None:
        names = [known for known in names if known in scope.use_cases]
    near = did_you_mean(name, names)
    listed = ", ".join(f"`{known}`" for known in names[:10])
    others = f"There are: {listed}." if names else "Test or release a folder to register it."
    raise NotFound(
        "use_case_not_found",
        f"No use case is called `{name[:80]}`",
        hint=f"Did you mean `{near}`?" if near else others,
    )


def list_use_cases(scope: Scope) -> list[UseCase]:
    """Every use case of the workspace that the actor may see, by name."""
    scope.require("read", use_case=min(scope.use_cases) if scope.use_cases else None)
    with scope.store.records.read() as connection:
        rows = queries.all_use_cases(connection, scope.workspace)
    return [
        UseCase.model_validate(row)
        for row in rows
        if scope.use_cases is None or row["name"] in scope.use_cases
    ]
