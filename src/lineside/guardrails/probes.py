"""Proof that guards stand on every path: calls that must be held back, sent through each of them.

Every chain begins, at every point, with a guard that knows one word. Only this process knows the
word, and it changes with each process. A probe carries it for one point; where the probe's answer
comes back, that path does not enforce that point, whatever a page says is switched on.
"""

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Literal

from lineside.core import LinesideError, Record, now
from lineside.guardrails.guard import Caught, Guard, GuardPoint, Passage
from lineside.usecases import GUARD_POINTS

PROBE = "probe"
_PREFIX = "lineside-probe-"
_KEY = secrets.token_bytes(32)
_PROBES_MAX = 2_000
_PROBE_SECONDS = 10.0


def probe_word(point: str) -> str:
    """The word that the guards of one point must hold back; of no use outside this process."""
    return _PREFIX + hmac.digest(_KEY, point.encode(), "sha256").hex()[:32]


def probed_point(texts: Sequence[str]) -> str | None:
    """Which point a message probes, where it is a probe of this process."""
    for text in texts:
        if _PREFIX in text:
            return next((point for point in GUARD_POINTS if probe_word(point) in text), None)
    return None


def is_probe(error: LinesideError) -> bool:
    """Whether an error is that of a probe that was held back, as it should be."""
    begins = f"The guard `{PROBE}` held back"
    return error.code == "guard_denied" and error.message.startswith(begins)


def _probe_guard(point: GuardPoint) -> Guard:
    word = probe_word(point)

    def check(passage: Passage) -> Caught | None:
        place = passage.text.find(word)
        if place == -1:
            return None
        return Caught("it is a probe", stretches=((place, place + len(word)),))

    return Guard(PROBE, point, check, hold_back=len(word))


PROBE_GUARDS: dict[str, Guard] = {point: _probe_guard(point) for point in GUARD_POINTS}


class ProbeResult(Record):
    """What came of one probe.

    Attributes:
        path: The door the call came in by, such as `POST /api/usecases/{name}/run`.
        format: What the door speaks, such as `lineside` or `openai.chat`.
        is_held_back: The guard of that very point said no. Anything else is not enforced: an
            answer, and an error of another kind as well, since it proves nothing.
        said: What came instead.
    """

    use_case: str
    path: str
    format: str
    is_streamed: bool
    point: str
    is_held_back: bool
    said: str | None = None


class Coverage(Record):
    """How much of what is served was proven to be guarded, and when."""

    results: list[ProbeResult] = []  # noqa: RUF012 # pydantic copies it
    probed_at: datetime | None = None

    @property
    def share(self) -> float | None:
        """Part of the probes that were held back; nothing where none was sent."""
        if not self.results:
            return None
        return sum(one.is_held_back for one in self.results) / len(self.results)

    @property
    def status(self) -> Literal["enforced", "not enforced", "nothing probed"]:
        """The same in words."""
        if not self.results:
            return "nothing probed"
        return "enforced" if self.share == 1 else "not enforced"


class ServedPath(Record):
    """A way in which answers are served; whoever adds one adds it here, too.

    Attributes:
        send: Sends one text to a use case by this path and returns the answer as text. Raises the
            error that a caller would get; `Denied` of a guard names the guard.
    """

    path: str
    format: str
    is_streamed: bool
    send: Callable[[str, str], Awaitable[str]]


async def probe_paths(paths: Sequence[ServedPath], use_cases: Sequence[str]) -> Coverage:
    """Send a probe for every point through every path of every use case; none reaches a model."""
    planned = [
        (use_case, path, point)
        for use_case in use_cases
        for path in paths
        for point in GUARD_POINTS
    ]
    results = [await _probe(*one) for one in planned[:_PROBES_MAX]]
    return Coverage(results=results, probed_at=now())


async def _probe(use_case: str, path: ServedPath, point: str) -> ProbeResult:
    said: str | None = None
    is_held_back = False
    try:
        answer = await asyncio.wait_for(path.send(use_case, probe_word(point)), _PROBE_SECONDS)
        said = "an answer came back" + (" with the probe" if probe_word(point) in answer else "")
    except LinesideError as error:
        is_held_back = is_probe(error)
        said = None if is_held_back else f"{error.code}: {error.message}"[:300]
    except Exception as error:  # noqa: BLE001 # a path that breaks proves nothing
        said = f"{type(error).__name__}: {error}"[:300]
    return ProbeResult(
        use_case=use_case,
        path=path.path,
        format=path.format,
        is_streamed=path.is_streamed,
        point=point,
        is_held_back=is_held_back,
        said=said,
    )
