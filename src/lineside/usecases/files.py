"""Files of a use case folder or of a release, and no others."""

from collections.abc import Mapping
from pathlib import Path
from stat import S_ISREG
from typing import Protocol

from lineside.core import did_you_mean
from lineside.usecases.document import Misread, quoted

FILE_BYTES_MAX = 1024 * 1024
"""Of a file that the manifest refers to, datasets and model files aside; in bytes."""

READ_BYTES_MAX = 512 * 1024 * 1024
"""Of anything in the folder; each reader sets its own lower limit. In bytes."""

UNDER_MAX = 10_000
"""Files in a folder of sources; more are refused, not left out."""

_NAMES_MAX = 2_000


class Files(Protocol):
    """Where the files of one use case come from."""

    def read(self, path: str, *, bytes_max: int = READ_BYTES_MAX) -> bytes:
        """Bytes of a file by its relative path; raises `Misread`."""
        ...

    def has(self, path: str) -> bool:
        """Whether a file is there and may be read; raises `Misread` with the reason if not."""
        ...

    def under(self, path: str) -> list[str]:
        """The file itself, or every file below a folder by name, hidden ones left out.

        Raises `Misread` where nothing is there.
        """
        ...


class FolderFiles:
    """Files below one folder; a path or a link that leads out of it is refused."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = folder.resolve()

    def has(self, path: str) -> bool:
        self._located(path)
        return True

    def read(self, path: str, *, bytes_max: int = READ_BYTES_MAX) -> bytes:
        located = self._located(path)
        try:
            with located.open("rb") as file:
                data = file.read(bytes_max + 1)
        except OSError as error:
            raise Misread(
                quoted(path),
                "a file that can be read",
                hint=f"The system says: {error.strerror}.",
                code="unreadable_file",
            ) from error
        if len(data) > bytes_max:
            raise _too_large(path, bytes_max)
        return data

    def under(self, path: str) -> list[str]:
        name = path.rstrip("/")
        check_path(name)
        folder = (self._root / name).resolve()
        if not folder.is_relative_to(self._root) or not folder.is_dir():
            return [name] if self.has(name) else []
        found = []
        for file in folder.rglob("*"):
            inside = file.relative_to(folder)
            if file.is_file() and not any(part.startswith(".") for part in inside.parts):
                found.append(f"{name}/{inside.as_posix()}")
            if len(found) > UNDER_MAX:
                raise Misread(
                    f"{quoted(path)} with more than {UNDER_MAX:,} files",
                    f"at most {UNDER_MAX:,}",
                    hint="Name the folders in it that matter.",
                    code="too_many_files",
                )
        if not found:
            raise _missing(f"{name}/…", self._names())
        return sorted(found)

    def _located(self, path: str) -> Path:
        check_path(path)
        try:
            located = (self._root / path).resolve()
            is_inside = located.is_relative_to(self._root)
            mode = located.stat().st_mode if is_inside else 0
        except (OSError, RuntimeError):  # missing, or a loop of links
            raise _missing(path, self._names()) from None
        if not is_inside:
            raise _outside(path)
        if not S_ISREG(mode):
            raise Misread(
                quoted(path),
                "a file",
                hint="It is a folder or a device; name a file in it.",
                code="missing_file",
            )
        return located

    def _names(self) -> list[str]:
        names = []
        for at, path in enumerate(self._root.rglob("*")):
            if at >= _NAMES_MAX:
                break
            names.append(path.relative_to(self._root).as_posix())
        return names


class HeldFiles:
    """Files that are held in memory, such as the contents of a release."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def has(self, path: str) -> bool:
        check_path(path)
        if path not in self._files:
            raise _missing(path, list(self._files))
        return True

    def under(self, path: str) -> list[str]:
        name = path.rstrip("/")
        return [held for held in sorted(self._files) if held == name or held.startswith(f"{name}/")]

    def read(self, path: str, *, bytes_max: int = READ_BYTES_MAX) -> bytes:
        self.has(path)
        if len(self._files[path]) > bytes_max:
            raise _too_large(path, bytes_max)
        return self._files[path]


def check_path(path: str) -> None:
    """Refuse a path that is not plainly a file below the folder."""
    parts = path.split("/")
    if path.startswith(("/", "~")) or ".." in parts or "\\" in path or ":" in parts[0]:
        raise _outside(path)
    if not path or "" in parts or "." in parts or not path.isprintable():
        raise Misread(
            quoted(path),
            "the path of a file in the folder",
            hint="Write it as `prompts/triage.md`.",
            code="bad_path",
        )


def _outside(path: str) -> Misread:
    return Misread(
        quoted(path),
        "a file inside the use case folder",
        hint="Copy the file into the folder and name it relative to `usecase.yaml`; a release must "
        "hold all it needs.",
        code="path_outside",
    )


def _missing(path: str, names: list[str]) -> Misread:
    near = did_you_mean(path, names)
    return Misread(
        f"{quoted(path)}, which is not in the folder",
        "a file that is there",
        hint=f"Did you mean `{near}`?" if near else f"Create `{path[:80]}`, or correct the name.",
        code="missing_file",
    )


def _too_large(path: str, bytes_max: int) -> Misread:
    return Misread(
        f"{quoted(path)} of more than {bytes_max} bytes",
        f"at most {bytes_max}",
        hint="Keep large data in datasets.",
        code="too_large",
    )
