"""The words of an answer under guard: parts that follow each other are judged each and as one text.

Who reads an answer reads on from one part into the next, and providers cut where they like: between
the pieces that they cite sources for, or within a word. So one guard looks at all of them, and what
it lets pass goes back into the part it came from. Others read each part by itself, so what follows
it must not hide what it ends with: where there are several, each is judged alone before. Where a
thought or a call comes between, some callers still get both texts in one piece: what would go on
from the one into the other is held back.
"""

from dataclasses import dataclass, field

from lineside.gateway import canonical
from lineside.guardrails import GuardedCall, GuardedStream, GuardPoint, StreamCost

Key = tuple[int, int]
"""Of a part: its choice, and its place there."""
_Events = list[canonical.AnswerEvent]


@dataclass
class _Piece:
    """One part: how many of its words wait, and what is said once none does.

    Attributes:
        started: Said once all before it is; nothing where it was said.
        seal: What stands behind its words.
        ended: Nothing more comes to it.
    """

    key: Key
    started: canonical.PartStarted | None
    waiting: int = 0
    seal: canonical.PartGrew | None = None
    ended: canonical.PartEnded | None = None

    def said(self, text: str) -> _Events:
        """Words that passed, with what goes before and behind them where those are the last."""
        events: _Events = []
        if self.started is not None:
            events.append(self.started)
            self.started = None
        is_last = self.ended is not None and not self.waiting
        seal = self.seal if is_last else None
        if seal is not None:
            events.append(seal.model_copy(update={"text": text}))
        elif text:
            events.append(canonical.PartGrew(choice=self.key[0], at=self.key[1], text=text))
        if is_last and self.ended is not None:
            events.append(self.ended)
        return events


@dataclass
class _Run:
    """Parts that follow each other.

    Attributes:
        stream: Judges all of them as one text.
        own: Judges the last one by itself, before; nothing while there is only one.
    """

    stream: GuardedStream
    pieces: list[_Piece] = field(default_factory=list)
    own: GuardedStream | None = None

    @property
    def is_between(self) -> bool:
        """Whether the next part may go on where the last has ended."""
        return self.pieces[-1].ended is not None

    async def feed(self, words: str) -> str:
        """Take more words of the last part; gives what passed where there is only one."""
        self.pieces[-1].waiting += len(words)
        text = await self.stream.feed(words)
        self.pieces[0].waiting = len(self.stream.held)
        return text

    async def follow(self, piece: _Piece, own: GuardedStream) -> None:
        """Take a part that follows the others; what is held of them is judged up to here first."""
        before = self.stream.held
        await self.stream.bound()
        text = self.stream.held
        for one in self.pieces[:-1]:
            said, text = _parted(before, text, one.waiting)
            before, one.waiting = before[one.waiting :], len(said)
        self.pieces[-1].waiting = len(text)
        self.pieces.append(piece)
        self.own = own

    async def feed_joined(self, words: str) -> _Events:
        """Take more words of the last part where there are several."""
        assert self.own is not None  # noqa: S101 # see `follow`
        return await self._joined(await self.own.feed(words))

    async def end(self, seal: canonical.PartGrew | None, ended: canonical.PartEnded) -> _Events:
        """The last part has ended."""
        events = [] if self.own is None else await self._joined(await self.own.finish())
        self.pieces[-1].seal, self.pieces[-1].ended = seal, ended
        return events

    async def _joined(self, words: str) -> _Events:
        before = self.stream.held + words
        self.pieces[-1].waiting += len(words)
        return self._passed(before, await self.stream.feed(words))

    async def finish(self) -> _Events:
        """Judge the rest, and say all that is still to be said."""
        before = self.stream.held
        return self._passed(before, await self.stream.finish())

    def _passed(self, before: str, text: str) -> _Events:
        raw, events = before[: len(before) - len(self.stream.held)], _Events()
        while len(self.pieces) > 1 and len(raw) >= self.pieces[0].waiting:
            first = self.pieces.pop(0)
            own, text = _parted(raw, text, first.waiting)
            raw, first.waiting = raw[first.waiting :], 0
            events += first.said(own)
        self.pieces[0].waiting -= len(raw)
        if text or not self.pieces[0].waiting:
            events += self.pieces[0].said(text)
        return events


class AnswerWords:
    """The texts of one answer that somebody guards; what `costs` says is added to as they end."""

    def __init__(
        self, guarded: GuardedCall, points: tuple[GuardPoint, ...], costs: list[StreamCost]
    ) -> None:
        self._guarded, self._points, self._costs = guarded, points, costs
        self._runs: list[_Run] = []
        self._tails: dict[int, str] = {}

    @property
    def is_open(self) -> bool:
        """Whether a part has begun that has not ended."""
        return any(not run.is_between for run in self._runs)

    def has(self, key: Key) -> bool:
        """Whether a part has begun here, and not ended."""
        return any(run.pieces[-1].key == key and not run.is_between for run in self._runs)

    async def start(self, started: canonical.PartStarted, words: str) -> _Events:
        """Begin a part.

        Args:
            started: Its beginning, without words.
        """
        key = started.choice, started.at
        for run in self._runs:
            if run.pieces[-1].key[0] == key[0] and run.is_between:
                own = self._guarded.stream(*self._points, is_part=True)
                await run.follow(_Piece(key, started), own)
                return await run.feed_joined(words)
        after = self._tails.get(key[0], "")
        run = _Run(self._guarded.stream(*self._points, after=after), [_Piece(key, None)])
        self._runs.append(run)
        text = await run.feed(words)
        if not text:
            return [started]
        part = started.part.model_copy(update={"text": text})
        return [started.model_copy(update={"part": part})]

    async def grow(self, event: canonical.PartGrew) -> _Events:
        """Take more of a part."""
        run = next(run for run in self._runs if run.pieces[-1].key == (event.choice, event.at))
        if run.own is not None:
            return await run.feed_joined(event.text)
        text = await run.feed(event.text)
        if text == event.text:
            return [event]
        return [event.model_copy(update={"text": text, "sizes": ()})] if text else []

    async def end(self, seal: canonical.PartGrew | None, ended: canonical.PartEnded) -> _Events:
        """End a part; it is said to be over once it is known what follows."""
        run = next(run for run in self._runs if run.pieces[-1].key == (ended.choice, ended.at))
        return await run.end(seal, ended)

    async def finish(self, choice: int | None = None) -> _Events:
        """Judge to its end what nothing can follow any more; of one choice, or of all."""
        events: _Events = []
        for run in list(self._runs):
            if run.is_between and choice in (None, run.pieces[-1].key[0]):
                self._runs.remove(run)
                events += await run.finish()
                self._costs.append(run.stream.cost)
                self._tails[run.pieces[-1].key[0]] = run.stream.tail
        return events


def _parted(raw: str, text: str, size: int) -> tuple[str, str]:
    """What passed of some words, in two: of the first words, and of the rest.

    Where a guard put something in the place of words of both it belongs to the first.
    """
    first, rest = raw[:size], raw[size:]
    if text.startswith(first):
        return first, text[size:]
    if text.endswith(rest):
        return text[: len(text) - len(rest)], rest
    return text, ""
