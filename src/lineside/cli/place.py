"""Where a command is at work: the state folder it opens, and the folder or name it was given."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lineside.core import Conflict, Invalid, Settings

if TYPE_CHECKING:
    from lineside.store import Store
    from lineside.trust import Scope

MANIFEST = "usecase.yaml"


@contextmanager
def scope_here(settings: Settings | None = None) -> Iterator["Scope"]:
    """Act as the person at this terminal, with the records alone: quick to open."""
    from lineside.store import open_store
    from lineside.trust import local_scope

    store = open_store(settings or Settings.from_environment())
    try:
        yield local_scope(store)
    finally:
        store.close()


@contextmanager
def scope_on_line(settings: Settings | None = None) -> Iterator["Scope"]:
    """Act as the person at this terminal, with all that testing and serving need."""
    from lineside.apps import open_line
    from lineside.trust import local_scope

    store = open_line(settings or Settings.from_environment())
    try:
        yield local_scope(store)
    finally:
        store.close()


def use_case_named(name_or_folder: str | None) -> str:
    """The name of a use case, given as its name or as a folder that holds its manifest."""
    if name_or_folder is None:
        if not Path(MANIFEST).is_file():
            raise Invalid(
                "no_use_case_named",
                f"No use case was named, and this folder holds no `{MANIFEST}`",
                hint="Name one, as in `lineside deploy support-triage`; "
                "`lineside usecases` lists them.",
            )
        name_or_folder = "."
    folder = Path(name_or_folder)
    if (folder / MANIFEST).is_file():
        from lineside.usecases import read_folder

        return read_folder(folder).manifest.name
    return name_or_folder.rstrip("/")


def served_at() -> str:
    """Where the server of this state folder is, by whichever port; without one, where it would be.

    What `lineside up --port` was told stands in no setting.
    """
    settings = Settings.from_environment()
    return server_here(settings) or settings.address


def server_here(settings: Settings) -> str | None:
    """Address of the server that runs on the state folder, or nothing."""
    from lineside.store import Store

    store = Store(settings)
    try:
        return running_server(store)
    finally:
        store.close()


def running_server(store: "Store") -> str | None:
    """Address of the server that holds this state folder, or nothing."""
    try:
        store.claim_server("").release()
    except Conflict as error:
        found = re.search(r"https?://[^\s)]+", error.message)
        return found[0] if found else "an unknown address"
    return None
