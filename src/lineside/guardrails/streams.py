"""Streams under guard: what is released was judged, and nothing is judged after it was released.

Guards that know how far a thing can reach judge a moving window, of which the last part is held
back. A guard that must see the whole answer holds all of it. What that costs is counted.
"""

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from lineside.core import Denied, Record
from lineside.guardrails.guard import Caught, Guard, GuardDecision, GuardPoint
from lineside.guardrails.judging import judge, together
from lineside.guardrails.pseudonyms import Pseudonyms, Revealing

if TYPE_CHECKING:
    from lineside.guardrails.chain import GuardedCall

HELD_CHARACTERS_MAX = 4_000_000
_WORD_CHARACTERS_MAX = 16_384
_IDEOGRAPHS_FROM = "\u2e80"


class StreamCost(Record):
    """What guarding a stream took.

    Attributes:
        held_characters_max: The most that was held back at a time.
        first_piece_delay_ms: From the model's first piece to the first that was released.
        judging_ms: Spent in guards, all pieces together.
        is_whole: A guard had to see the whole answer, so nothing was released before its end.
    """

    held_characters_max: int = 0
    first_piece_delay_ms: float | None = None
    judging_ms: float = 0.0
    pieces: int = 0
    is_whole: bool = False


class _Judged(NamedTuple):
    guard: Guard
    decision: GuardDecision
    caught: Caught | None


class GuardedStream:
    """Takes a model's pieces, gives what may be shown. Feed it, then `finish` it, always.

    Raises `Denied` from either as soon as a guard says no; then nothing more may be shown.

    Args:
        is_part: It is one part of a message that goes on through another stream: guards of whole
            messages wait for that one, and so do names that are to come back.
        after: What was released before, where something else came between; see `tail`.
    """

    def __init__(
        self,
        call: "GuardedCall",
        points: tuple[GuardPoint, ...],
        *,
        is_part: bool = False,
        after: str = "",
    ) -> None:
        self._call = call
        self._points = points
        self._is_part = is_part
        self._guards = [
            guard
            for point in points
            for guard in call.chain.at(point)
            if guard.sees == "each" or not is_part
        ]
        windows = [_window(guard) for guard in self._guards]
        self._is_whole = None in windows
        self._hold_back = max((window or 0 for window in windows), default=0)
        self._reach = max((len(guard.literal or "") for guard in self._guards), default=0)
        self._reach = max(self._reach, self._hold_back)
        self._after, self._before = after, ""
        self._held = ""
        self._said: dict[tuple[str, str], GuardDecision] = {}
        self._more_ms: dict[tuple[str, str], float] = {}
        self._revealing = Revealing(Pseudonyms() if is_part else call.pseudonyms)
        self._started: float | None = None
        self._first_ms: float | None = None
        self._held_max = 0
        self._judging_ms = 0.0
        self._pieces = 0
        self._is_over = False

    @property
    def cost(self) -> StreamCost:
        """What it took so far."""
        return StreamCost(
            held_characters_max=self._held_max,
            first_piece_delay_ms=self._first_ms,
            judging_ms=round(self._judging_ms, 3),
            pieces=self._pieces,
            is_whole=self._is_whole,
        )

    @property
    def tail(self) -> str:
        """The end of what was released, as far back as what a guard looks for can begin."""
        return (self._after + self._before)[-self._reach :] if self._reach else ""

    @property
    def held(self) -> str:
        """What was fed and is not released yet, as it was fed."""
        return self._held

    async def feed(self, piece: str) -> str:
        """Take a piece; give what is released by it, often nothing."""
        self._refuse_after_end()
        self._started = self._started or time.perf_counter()
        self._pieces += 1
        if not self._guards:
            return self._released(0, piece)
        self._held += piece
        cut = 0 if self._is_whole else self._safe_cut()
        self._held_max = max(self._held_max, len(self._held) - cut)
        released = await self._release(cut) if cut > 0 else ""
        if len(self._held) > HELD_CHARACTERS_MAX:
            self._is_over = True
            raise Denied(
                "guard_denied",
                f"More than {HELD_CHARACTERS_MAX:,} characters of the answer had to be held back",
                hint="A guard could not tell where what it found ends.",
            )
        return released

    async def bound(self) -> None:
        """Judge what is held as a text that ends here, whatever is fed next.

        A part of a message is a text by itself, too: what stands at its end must not pass because
        the next part begins with a letter.
        """
        self._refuse_after_end()
        for guard in self._guards:
            if guard.sees == "each" and self._held:
                decision, caught = await judge(guard, self._call.passage(self._held, guard.point))
                if decision.verdict == "deny":
                    self._end(guard, decision)
                if decision.verdict == "transform" and caught is not None:
                    self._held = caught.replacement or ""
                if caught is not None:
                    self._note(decision)

    async def finish(self) -> str:
        """The model has said all: judge the rest and give it."""
        self._refuse_after_end()
        await self._seam()
        self._is_over = True
        if self._is_whole:
            rest = self._held
            started = time.perf_counter()
            try:
                for point in self._points:
                    [rest] = await self._call.texts(point, [rest], is_whole=not self._is_part)
            finally:
                self._judging_ms += (time.perf_counter() - started) * 1000
            return self._released(len(self._held), rest) + self._revealing.finish()
        text = await self._mended(self._held)
        self._call.decisions += [
            said
            for said in self._decisions()
            if not self._is_part or said.verdict != "allow" or not said.is_enforced
        ]
        return self._released(len(self._held), text) + self._revealing.finish()

    async def _seam(self) -> None:
        """Judge how this goes on from what was released before, as far as that can reach."""
        if not self._after or len(self._before) > self._reach:
            return
        begun = (self._before + self._held)[: 2 * self._reach]
        try:
            await self._call.follow(self._points, self._after, begun)
        except Denied:
            self._is_over = True
            self._call.decisions += self._decisions()
            raise

    async def _release(self, cut: int) -> str:
        await self._seam()
        judged = await self._judged(self._held)
        size = len(self._held)
        for guard, decision, caught in judged:
            if decision.verdict == "deny":
                is_growing = caught is not None and all(
                    stop >= size for _, stop in caught.stretches or ((0, 0),)
                )
                if not is_growing:
                    self._end(guard, decision)
            for start, stop in caught.stretches if caught else ():
                # What reaches the end may go on, or turn out to be nothing.
                if start < cut and (stop > cut or stop >= size):
                    cut = start
        if self._hold_back and any(one.caught for one in judged):
            cut = self._cut(cut)
        if cut <= 0:
            return ""
        prefix = self._held[:cut]
        is_clean = not any(one.caught for one in judged)
        return self._released(cut, prefix if is_clean else await self._mended(prefix))

    async def _judged(self, text: str) -> list[_Judged]:
        found = []
        started = time.perf_counter()
        for guard in self._guards:
            decision, caught = await judge(guard, self._call.passage(text, guard.point))
            self._note(decision if caught is None else decision.model_copy(update=_NOT_YET))
            if not decision.is_enforced and decision.verdict == "deny":
                self._end(guard, decision)
            found.append(_Judged(guard, decision, caught))
        self._judging_ms += (time.perf_counter() - started) * 1000
        return found

    async def _mended(self, text: str) -> str:
        started = time.perf_counter()
        for guard in self._guards:
            decision, caught = await judge(guard, self._call.passage(text, guard.point))
            self._note(decision)
            if decision.verdict == "deny":
                self._end(guard, decision)
            if decision.verdict == "transform" and caught is not None:
                text = caught.replacement or ""
        self._judging_ms += (time.perf_counter() - started) * 1000
        return text

    def _note(self, decision: GuardDecision) -> None:
        """Keep one decision of each guard, however many pieces it judged."""
        key = decision.guard, decision.point
        before = self._said.get(key)
        if before is None:
            self._said[key] = decision
        elif decision.verdict == "allow" and decision.is_enforced and not decision.kinds:
            self._more_ms[key] = self._more_ms.get(key, 0.0) + decision.duration_ms
        else:
            self._said[key] = together(before, decision)

    def _decisions(self) -> list[GuardDecision]:
        """What each guard said, with what it took for all the pieces that it let pass."""
        for key, more_ms in self._more_ms.items():
            said = self._said[key]
            took_ms = round(said.duration_ms + more_ms, 3)
            self._said[key] = said.model_copy(update={"duration_ms": took_ms})
        self._more_ms.clear()
        return list(self._said.values())

    def _end(self, guard: Guard, decision: GuardDecision) -> None:
        self._is_over = True
        self._call.decisions += [
            said
            for said in self._decisions()
            if (said.guard, said.point) != (guard.name, guard.point)
        ]
        self._call.keep(guard, decision)

    def _released(self, size: int, text: str) -> str:
        self._held = self._held[size:]
        if self._reach:
            self._before = (self._before + text)[-2 * self._reach :]
        shown = self._revealing.feed(text)
        if shown and self._first_ms is None and self._started is not None:
            self._first_ms = round((time.perf_counter() - self._started) * 1000, 3)
        return shown

    def _safe_cut(self) -> int:
        """Up to where nothing can become part of what a guard looks for."""
        size = len(self._held)
        cut = self._cut(size - self._hold_back) if self._hold_back else size
        for guard in self._guards:
            if guard.literal is not None:
                cut = min(cut, size - _begun(self._held, guard.literal))
        return cut

    def _cut(self, cut: int) -> int:
        """The last place before it where no word is torn."""
        floor = max(0, cut - _WORD_CHARACTERS_MAX)
        for place in range(cut, floor, -1):
            before = self._held[place - 1]
            if before.isspace() or before >= _IDEOGRAPHS_FROM:
                return place
        return cut if floor > 0 else 0

    def _refuse_after_end(self) -> None:
        if self._is_over:
            raise Denied("guard_denied", "The stream has ended, nothing more passes")


_NOT_YET: dict[str, Any] = {"verdict": "allow", "reason": None, "kinds": {}}
"""What is in the window is decided on when it is released; it must not count twice."""


def _begun(text: str, word: str) -> int:
    """How many of the first signs of a word the text ends with."""
    if word[0] not in text[1 - len(word) :]:
        return 0
    return next((size for size in range(len(word) - 1, 0, -1) if text.endswith(word[:size])), 0)


def _window(guard: Guard) -> int | None:
    return None if guard.sees == "whole" else guard.hold_back
