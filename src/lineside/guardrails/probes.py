"""Proof that guards stand on every path: calls that must be held back, sent through each of them.

Every chain begins, at every point, with a guard that knows one word. Only this process knows the
word, and it changes with each process. A probe carries it for one point; where the probe's answer
comes back, that path does not enforce that point, whatever a page says is switched on.
"""

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, cast

from lineside.core import LinesideError, Record, now
from lineside.guardrails.guard import Caught, Guard, GuardPoint, Passage
from lineside.guardrails.values import texts_of
from lineside.usecases import guards

PROBE = "probe"
# Streams hold back what may be the beginning of the word, so it begins as no word does.
_PREFIX = "\u27e6lineside-probe-"
_IN_PASSAGE = f"{_PREFIX}in-a-passage-"
_HELD_BACK = f"The guard `{PROBE}` held back"
_KEY = secrets.token_bytes(32)
_PROBES_MAX = 2_000
_PROBE_SECONDS = 10.0


def probe_word(point: str) -> str:
    """The word that the guards of one point must hold back; of no use outside this process."""
    return _PREFIX + hmac.digest(_KEY, point.encode(), "sha256").hex()[:32]


def probed_point(value: Any) -> str | None:
    """Which point a message probes, where it is a probe of this process."""
    begun = [text.replace(_IN_PASSAGE, _PREFIX) for text in texts_of(value) if _PREFIX in text]
    points = (one for one in guards.GUARD_POINTS if any(probe_word(one) in text for text in begun))
    return next(points, None) if begun else None


def for_passage(word: str) -> str:
    """The word of a probe in a form that no guard knows, until it stands within a passage."""
    return word.replace(_PREFIX, _IN_PASSAGE)


def passage_word(value: Any) -> str | None:
    """The word that is to stand within a passage of the sources, where a message probes those."""
    for text in texts_of(value):
        if _IN_PASSAGE in text:
            words = map(probe_word, guards.GUARD_POINTS)
            return next((word for word in words if for_passage(word) in text), None)
    return None


def is_probe(error: LinesideError) -> bool:
    """Whether an error is that of a probe that was held back, as it should be."""
    return error.code == "guard_denied" and error.message.startswith(_HELD_BACK)


def _probe_guard(point: GuardPoint) -> Guard:
    word = probe_word(point)

    def check(passage: Passage) -> Caught | None:
        place = passage.text.find(word)
        if place == -1:
            return None
        return Caught("it is a probe", stretches=((place, place + len(word)),))

    return Guard(PROBE, point, check, hold_back=0, literal=word)


PROBE_GUARDS: dict[str, Guard] = {
    point: _probe_guard(cast("GuardPoint", point)) for point in guards.GUARD_POINTS
}


def silenced(guard: Guard) -> Guard:
    """A guard that catches nothing, unless it is one of those that probes are for."""
    if guard is PROBE_GUARDS.get(guard.point):
        return guard
    return replace(guard, check=lambda _passage: None, is_own=False, remembers=False)


class ProbeResult(Record):
    """What came of one probe.

    Attributes:
        use_case: Or the plain model that was asked.
        path: The door the call came in by, such as `POST /api/usecases/{name}/run`.
        format: What the door speaks, such as `lineside` or `openai.chat`.
        place: What of the request or answer carried the probe, where it was not the words of a
            message.
        is_held_back: The guard of that very point said no. Anything else is not enforced: an
            answer, and an error of another kind as well, since it proves nothing.
        said: What came instead.
    """

    use_case: str
    path: str
    format: str
    is_streamed: bool
    point: str
    place: str | None = None
    is_held_back: bool
    said: str | None = None


class UnguardedPath(Record):
    """A way in on which no guard stands by design: what comes is passed on unread.

    Attributes:
        provider: Where it goes.
        why: In words.
    """

    path: str
    provider: str
    why: str

    @property
    def label(self) -> str:
        return f"{self.path} ({self.provider})"


UNREAD = ("what pictures, recordings and files within messages show or hold",)
"""What no guard reads on paths that are guarded: guards judge words, also names and addresses."""


class Coverage(Record):
    """How much of what is served was proven to be guarded, and when.

    Attributes:
        unguarded: Ways in that were not probed, since no guard stands there and none is promised.
        left_out: Probes that were not sent, as a round has 2,000 at most.
    """

    results: list[ProbeResult] = []  # noqa: RUF012 # pydantic copies it
    probed_at: datetime | None = None
    unguarded: list[UnguardedPath] = []  # noqa: RUF012 # pydantic copies it
    left_out: int = 0

    @property
    def ways(self) -> int:
        """Ways in that there are: each door, streamed or not, and the unguarded ones."""
        return len(self._probed) + len(self.unguarded)

    @property
    def ways_proven(self) -> int:
        """Those of them on which every probe was held back."""
        return len(self._probed - {_way(one) for one in self.results if not one.is_held_back})

    @property
    def _probed(self) -> set[tuple[str, bool]]:
        return {_way(one) for one in self.results}

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

    def view(self) -> "CoverageView":
        """As programs read it."""
        return CoverageView(
            **dict(self),
            proven=self.share,
            state=self.status,
            ways_in=self.ways,
            ways_in_proven=self.ways_proven,
        )


class CoverageView(Coverage):
    """The same with the shares in it.

    Attributes:
        proven: Part of the probes that were held back.
        ways_in: All of them, those that are unguarded by design among them.
        unread: What no guard reads even where guards stand.
    """

    proven: float | None
    state: str
    ways_in: int
    ways_in_proven: int
    unread: tuple[str, ...] = UNREAD


def _way(probe: ProbeResult) -> tuple[str, bool]:
    return probe.path, probe.is_streamed


class ServedPath(Record):
    """A way in which answers are served; whoever adds one adds it here, too.

    Attributes:
        subject: What is asked there in place of each use case, such as a plain model.
        points: Those at which there are words to judge.
        place: What of a request or answer carries the text, where it is not the words of a message.
        reads_sources: Only use cases that read sources are asked there.
        send: Sends one text to a use case by this path and returns all that a caller would get,
            the words of an error among it, or raises that error.
    """

    path: str
    format: str
    is_streamed: bool = False
    subject: str | None = None
    points: tuple[str, ...] = guards.GUARD_POINTS
    place: str | None = None
    reads_sources: bool = False
    send: Callable[[str, str], Awaitable[str]]


WITHIN_PASSAGES: dict[str, Any] = {
    "points": ("pre_model_call",),
    "place": "a passage of the sources",
    "reads_sources": True,
}
"""What a path has that takes words of `for_passage`."""

FieldsOf = Callable[[str], Awaitable[Sequence[str]]]
"""Gives the names of the input fields of a use case."""


async def probe_paths(
    paths: Sequence[ServedPath], use_cases: Sequence[str], *, reading: Sequence[str] = ()
) -> Coverage:
    """Send a probe for every point through every path of every use case; none reaches a model.

    Args:
        reading: Those use cases that read sources.
    """

    def subjects(path: ServedPath) -> Sequence[str]:
        if path.subject:
            return [path.subject]
        return reading if path.reads_sources else use_cases

    planned = [
        (subject, path, point)
        for path in paths
        for subject in subjects(path)
        for point in path.points
    ]
    results = [await _probe(*one) for one in planned[:_PROBES_MAX]]
    left_out = len(planned) - len(results)
    return Coverage(results=results, probed_at=now(), left_out=left_out)


async def _probe(use_case: str, path: ServedPath, point: str) -> ProbeResult:
    said: str | None = None
    is_held_back = False
    try:
        # Not `wait_for`, which forgets that it was cancelled where an answer comes just then.
        async with asyncio.timeout(_PROBE_SECONDS):
            answer = await path.send(use_case, probe_word(point))
        is_held_back = _HELD_BACK in answer and not _is_in(answer, point)
        said = None if is_held_back else _said(answer, point)
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
        place=path.place,
        is_held_back=is_held_back,
        said=said,
    )


def _said(answer: str, point: str) -> str:
    what = "an answer with the probe in it" if _is_in(answer, point) else "an answer"
    return f"{what} came back: {answer[:160].replace(probe_word(point)[1:], '…')}"


def _is_in(answer: str, point: str) -> bool:
    # Its first sign may be written as an escape.
    return probe_word(point)[1:] in answer
