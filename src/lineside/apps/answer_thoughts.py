"""The thoughts of an answer under guard: those that follow each other are judged as one text, too.

A thought is judged when it is whole. Providers cut thoughts into parts where they like, so one that
has ended waits until it is known whether another follows it.
"""

from dataclasses import dataclass, field

from lineside.apps.answer_words import Key
from lineside.apps.guarded import ANSWER_POINTS
from lineside.apps.wire_texts import quoted, unescaped
from lineside.gateway import canonical
from lineside.guardrails import GuardedCall, message

_TAIL_CHARACTERS = 4_000
_Events = list[canonical.AnswerEvent]


@dataclass
class _Thought:
    """One part.

    Attributes:
        started: Said once it is judged; nothing where it was said.
        ended: What stands behind its words, and that nothing more comes to it.
    """

    key: Key
    started: canonical.PartStarted | None
    words: list[str] = field(default_factory=list)
    seal: canonical.PartGrew | None = None
    ended: canonical.AnswerEvent | None = None

    def said(self, text: str) -> _Events:
        """All of it that was not said before."""
        events: _Events = [] if self.started is None else [self.started]
        grown = self.seal or canonical.PartGrew(choice=self.key[0], at=self.key[1])
        if text or self.seal is not None:
            events.append(grown.model_copy(update={"text": text}))
        return events if self.ended is None else [*events, self.ended]


class AnswerThoughts:
    """The thoughts of one answer that somebody guards."""

    def __init__(self, guarded: GuardedCall) -> None:
        self._guarded = guarded
        self._runs: list[list[_Thought]] = []
        self._tails: dict[int, str] = {}

    @property
    def is_open(self) -> bool:
        """Whether a thought has begun that has not ended."""
        return any(run[-1].ended is None for run in self._runs)

    def has(self, key: Key) -> bool:
        """Whether a thought has begun here, and not ended."""
        return any(run[-1].key == key and run[-1].ended is None for run in self._runs)

    def start(self, started: canonical.PartStarted, words: str) -> _Events:
        """Begin a thought.

        Args:
            started: Its beginning, without words.
        """
        key = started.choice, started.at
        for run in self._runs:
            if run[-1].key[0] == key[0] and run[-1].ended is not None:
                run.append(_Thought(key, started, [words]))
                return []
        self._runs.append([_Thought(key, None, [words])])
        return [started]

    def grow(self, key: Key, words: str) -> None:
        """Take more of a thought."""
        self._open(key).words.append(words)

    def end(self, key: Key, seal: canonical.PartGrew | None, ended: canonical.AnswerEvent) -> None:
        """End a thought; it is said once it is known what follows."""
        thought = self._open(key)
        thought.seal, thought.ended = seal, ended

    async def finish(self, choice: int | None = None) -> _Events:
        """Judge what nothing can follow any more, and say it; of one choice, or of all."""
        events: _Events = []
        for run in list(self._runs):
            if run[-1].ended is not None and choice in (None, run[-1].key[0]):
                self._runs.remove(run)
                texts = await self._passed(run[0].key[0], ["".join(one.words) for one in run])
                for one, text in zip(run, texts, strict=True):
                    events += one.said(text)
        return events

    def _open(self, key: Key) -> _Thought:
        return next(run[-1] for run in self._runs if run[-1].key == key)

    async def _passed(self, choice: int, thoughts: list[str]) -> list[str]:
        plain = list(map(unescaped, thoughts))
        run = [message.MessageText(text, is_said=True) for text in plain]
        for point in ANSWER_POINTS:
            await self._guarded.message(point, [run])
        before, said = self._tails.get(choice, ""), "".join([one.text for one in run])
        if before:
            await self._guarded.follow(ANSWER_POINTS, before, said)
        self._tails[choice] = (before + said)[-_TAIL_CHARACTERS:]
        passed = zip(thoughts, plain, run, strict=True)
        return [
            str(self._guarded.reveal(words if one.text == text else quoted(text, one.text)))
            for words, text, one in passed
        ]
