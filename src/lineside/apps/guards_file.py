"""`guards.yaml`: the guards of plain models, read anew when it changes.

It stands in the state folder and is written like `guards` in a manifest.
"""

import logging
import threading
import time
from pathlib import Path
from typing import cast

import yaml

from lineside.core import Invalid, LinesideError
from lineside.guardrails import GuardChain, build, chain_of
from lineside.usecases import guards as declarations

GUARDS_FILE = "guards.yaml"
_BYTES_MAX = 256 * 1024
_LOOK_SECONDS = 1.0

_log = logging.getLogger(__name__)

_Declared = dict[str, tuple[declarations.GuardDeclaration, ...]]


class GuardsFile:
    """The guards as the file last named them well; a file that breaks changes nothing.

    Attributes:
        declared: The guards that count, by point.
        problem: Why the file as it is now does not count, or nothing.
        loading: That guards it names now are being loaded, or nothing. Those take seconds, and
            until they stand the ones before hold.

    Raises:
        Invalid: The file does not fit; nothing is served until it does.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.declared: _Declared = _declared(path)
        self.problem: str | None = None
        self.loading: str | None = None
        self._chain = chain_of(self.declared)
        self._stamp = _stamp(path)
        self._looked = time.monotonic()
        self._looking = threading.Lock()

    def chain(self) -> GuardChain:
        """The guards of a call that begins now."""
        self.look()
        return self._chain

    def look(self) -> None:
        """Read the file if it changed, at most once a second."""
        if time.monotonic() - self._looked < _LOOK_SECONDS or not self._looking.acquire(False):
            return
        try:
            self._looked = time.monotonic()
            stamp = _stamp(self.path)
            if stamp != self._stamp and self.loading is None:
                self._stamp = stamp
                self._read()
        finally:
            self._looking.release()

    def _read(self) -> None:
        try:
            if self._stamp is None and self.declared:
                raise _unfit(self.path, "it is gone")
            declared = _declared(self.path)
        except LinesideError as error:
            self._refuse(error.message, error.hint)
            return
        slow = build.slow_guards(declared)
        if not slow:
            self._take(declared)
            return
        self.loading = (
            f"`{self.path.name}` names {', '.join(f'`{name}`' for name in slow)}, which takes a "
            "while to load. Until then the guards it named before hold."
        )
        _log.warning("%s", self.loading)
        threading.Thread(target=self._load, args=(declared,), name="guards", daemon=True).start()

    def _load(self, declared: _Declared) -> None:
        """The same beside the event loop, which every other call is waiting for."""
        try:
            self._take(declared)
        except Exception as error:  # noqa: BLE001 # nobody waits for this thread who could be told
            self._refuse(f"{type(error).__name__}: {error}", None)
        finally:
            self.loading = None

    def _take(self, declared: _Declared) -> None:
        try:
            chain = chain_of(declared)
        except LinesideError as error:
            self._refuse(error.message, error.hint)
            return
        self.declared, self._chain, self.problem = declared, chain, None
        _log.warning("The guards of plain models are now those that %s names", self.path)

    def _refuse(self, why: str, hint: str | None) -> None:
        self.problem = (
            f"A change of `{self.path.name}` does not count: {why}. "
            "The guards it named before still hold."
        )
        _log.error("%s %s", self.problem, hint or "")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _declared(path: Path) -> _Declared:
    try:
        data = path.read_bytes()[: _BYTES_MAX + 1]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unfit(path, f"it cannot be read: {error.strerror}") from None
    if len(data) > _BYTES_MAX:
        raise _unfit(path, f"it is larger than {_BYTES_MAX:,} bytes")
    try:
        named = yaml.safe_load(data) or {}
    except yaml.YAMLError as error:
        raise _unfit(path, f"it is no YAML: {error}") from None
    if not isinstance(named, dict):
        raise _unfit(path, "it names no points")
    for point, listed in named.items():
        if point not in declarations.GUARD_POINTS or not isinstance(listed, list):
            points = ", ".join(declarations.GUARD_POINTS)
            raise _unfit(path, f"`{point}` is no list of guards at one of: {points}")
    return {
        point: tuple(declarations.declared_as(one) for one in cast("list[object]", listed))
        for point, listed in named.items()
    }


def _unfit(path: Path, why: str) -> Invalid:
    return Invalid(
        "guards_unfit",
        f"`{path}` does not fit: {why}",
        hint="It is written like `guards` in a manifest: `input: [mask_pii]`. Without any guard it "
        "is an empty file.",
    )
