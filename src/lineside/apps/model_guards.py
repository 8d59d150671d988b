"""Guards around calls of plain models, on the one form that every wire is read into.

Calls of a use case have the guards of its release. A call of `provider/model` has those of the
file `guards.yaml`.
"""

from contextlib import aclosing
from typing import Any

from lineside.apps.guards_file import GuardsFile
from lineside.apps.request_texts import RequestTexts
from lineside.core import Denied
from lineside.gateway import calls, canonical
from lineside.guardrails import (
    GuardDecision,
    GuardedCall,
    GuardedStream,
    GuardPoint,
    StreamCost,
    probes,
)

_ANSWER_POINTS: tuple[GuardPoint, ...] = ("post_model_call", "output")
_ASKED_POINTS: tuple[GuardPoint, ...] = ("input", "pre_model_call")
GUARDS = "guards"
"""Where a call's decisions stand among what is known of how it was served."""
_LOGPROBS = "logprobs"
_GUARDED, _SEEN, _COSTS = "guarded_call", "request_seen", "hold_back"


class ModelGuards:
    """A step around every call: it judges what is asked, and what is answered as it streams."""

    def __init__(self, file: GuardsFile) -> None:
        self._file = file

    def step(self, call: calls.ModelCall, proceed: calls.Proceed) -> calls.Events:
        """Let a call pass under guard; one of a use case has guards of its own."""
        return self._guarded(call, proceed) if call.use_case is None else proceed(call)

    async def _guarded(self, call: calls.ModelCall, proceed: calls.Proceed) -> calls.Events:
        guarded = self._file.chain().begin()
        call.served.attributes |= {GUARDS: guarded.decisions, _GUARDED: guarded, _SEEN: None}
        texts = RequestTexts(call.request, is_guarded=_is_declared(guarded, _ASKED_POINTS))
        for point in _ASKED_POINTS:
            await guarded.message(point, texts.runs)
        asked = call.served.attributes[_SEEN] = texts.request
        events = _echo(asked, texts) if _is_probe(texts) else proceed(call.asking(asked))
        answer = _Answer(guarded)
        call.served.attributes[_COSTS] = answer.costs
        drops_logprobs = answer.is_guarded and _wants_logprobs(asked)
        async with aclosing(events):
            async for event in events:
                if drops_logprobs and _LOGPROBS not in call.served.left_out:
                    call.served.left_out = [*call.served.left_out, _LOGPROBS]
                for passed in await answer.passed(event):
                    yield passed


def _is_declared(guarded: GuardedCall, points: tuple[GuardPoint, ...]) -> bool:
    """Whether somebody wants a guard at one of these points; those that prove stand at each."""
    return any(guard.name != probes.PROBE for point in points for guard in guarded.chain.at(point))


def _wants_logprobs(request: canonical.ModelRequest) -> bool:
    """Whether probabilities of words are asked for, in the way of whichever wire."""
    included = request.extras.get("include")
    return bool(request.wants_logprobs or request.top_logprobs) or (
        isinstance(included, list) and "message.output_text.logprobs" in included
    )


def _is_probe(texts: RequestTexts) -> bool:
    return probes.probed_point(list(texts.texts)) is not None


class _Answer:
    """The answer's parts: words pass as they stream, all else when it is whole.

    Attributes:
        is_guarded: Somebody wants a guard here. Where nobody does, all of it passes as it comes.
    """

    def __init__(self, guarded: GuardedCall) -> None:
        self._guarded = guarded
        self.is_guarded = _is_declared(guarded, _ANSWER_POINTS)
        self.costs: list[StreamCost] = []
        self._streams: dict[tuple[int, int], GuardedStream] = {}
        self._held: dict[tuple[int, int], list[str]] = {}

    async def passed(self, event: canonical.AnswerEvent) -> list[canonical.AnswerEvent]:
        """The events that may go on now."""
        if isinstance(event, canonical.PartStarted):
            return [await self._started(event)]
        if isinstance(event, canonical.PartGrew):
            return await self._grew(event)
        if isinstance(event, canonical.PartEnded):
            return [*await self._ended(event), event]
        if isinstance(event, canonical.AnswerEnded) and (self._streams or self._held):
            raise Denied("guard_denied", "The answer ended within a part; it was held back")
        return [event]

    async def _started(self, event: canonical.PartStarted) -> canonical.PartStarted:
        part, key = event.part, (event.choice, event.at)
        if not isinstance(part, canonical.TextPart | canonical.ReasoningPart | canonical.ToolCall):
            raw = part.model_dump(mode="json")
            passed = await self._value(raw)
            kept = part if passed == raw else type(part).model_validate(passed)
            return event.model_copy(update={"part": kept})
        name = "arguments" if isinstance(part, canonical.ToolCall) else "text"
        words = text = str(getattr(part, name))
        if self.is_guarded and not isinstance(part, canonical.TextPart):
            self._held[key] = [words]
            text = ""
        else:
            stream = self._streams[key] = self._guarded.stream(*_ANSWER_POINTS)
            text = await stream.feed(words)
        changes: dict[str, Any] = {} if text == words else {name: text}
        if self.is_guarded and isinstance(part, canonical.TextPart) and part.logprobs:
            changes["logprobs"] = ()
        return (
            event.model_copy(update={"part": part.model_copy(update=changes)}) if changes else event
        )

    async def _grew(self, event: canonical.PartGrew) -> list[canonical.AnswerEvent]:
        key = event.choice, event.at
        if key in self._held:
            self._held[key].append(event.text)
            text = ""
        elif key in self._streams:
            text = await self._streams[key].feed(event.text)
        else:
            raise Denied("guard_denied", "A part grew that had not begun; it was held back")
        # Probabilities of words would tell the words that were masked.
        logprobs = () if self.is_guarded else event.logprobs
        if text != event.text or logprobs != event.logprobs:
            event = event.model_copy(update={"text": text, "sizes": (), "logprobs": logprobs})
        is_more = text or event.signature or (not self.is_guarded and (logprobs or event.extras))
        return [event] if is_more else []

    async def _ended(self, event: canonical.PartEnded) -> list[canonical.AnswerEvent]:
        key, rest = (event.choice, event.at), ""
        if key in self._streams:
            stream = self._streams.pop(key)
            rest = await stream.finish()
            self.costs.append(stream.cost)
        elif key in self._held:
            rest = await self._value("".join(self._held.pop(key)))
        grown = canonical.PartGrew(choice=event.choice, at=event.at, text=rest)
        return [grown] if rest else []

    async def _value(self, value: Any) -> Any:
        for point in _ANSWER_POINTS:
            value = await self._guarded.value(point, value)
        return self._guarded.reveal(value)


async def _echo(request: canonical.ModelRequest, texts: RequestTexts) -> calls.Events:
    """What comes back of a probe that got as far as the model: what was asked."""
    part = canonical.TextPart(text=" ".join(texts.texts))
    turn = canonical.Turn(role="assistant", parts=(part,), is_plain=True)
    choice = canonical.Choice(turn=turn, finish_reason="stop")
    answer = canonical.ModelAnswer(wire="lineside", model=request.model, choices=(choice,))
    for event in canonical.events_of(answer):
        yield event


def request_kept(call: calls.ModelCall) -> canonical.ModelRequest:
    """What a trace may keep of a request: as guards let it pass, nothing where one held it back."""
    seen = call.served.attributes.get(_SEEN, call.request)
    if isinstance(seen, canonical.ModelRequest):
        return seen
    return call.request.model_copy(update={"turns": (), "system": None})


def turn_kept(call: calls.ModelCall, turn: canonical.Turn) -> canonical.Turn:
    """What a trace may keep of an answer: with marks for what its caller had said."""
    guarded = call.served.attributes.get(_GUARDED)
    if not isinstance(guarded, GuardedCall) or not guarded.pseudonyms:
        return turn
    raw = turn.model_dump(mode="json")
    concealed = guarded.conceal(raw)
    return turn if concealed == raw else canonical.Turn.model_validate(concealed)


def decisions_of(call: calls.ModelCall) -> list[GuardDecision]:
    """What guards said of a call, probes aside."""
    said = call.served.attributes.get(GUARDS, [])
    decisions = said if isinstance(said, list) else []
    return [one for one in decisions if one.guard != probes.PROBE]


def hold_back_of(call: calls.ModelCall) -> list[dict[str, Any]]:
    """What holding back took, for each text of the answer."""
    costs = call.served.attributes.get(_COSTS)
    return [one.model_dump() for one in costs] if isinstance(costs, list) else []
