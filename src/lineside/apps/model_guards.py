"""Guards around calls of plain models, on the one form that every wire is read into.

Calls of a use case have the guards of its release. A call of `provider/model` has those of the
file `guards.yaml`.
"""

from contextlib import aclosing
from typing import Any

from lineside.apps.answer_texts import EventTexts
from lineside.apps.answer_thoughts import AnswerThoughts
from lineside.apps.answer_words import AnswerWords, Key
from lineside.apps.guarded import ANSWER_POINTS
from lineside.apps.guards_file import GuardsFile
from lineside.apps.request_texts import RequestTexts
from lineside.apps.wire_texts import SEALS, quoted, unescaped
from lineside.core import Denied
from lineside.gateway import calls, canonical, wires
from lineside.guardrails import (
    GuardChain,
    GuardDecision,
    GuardedCall,
    GuardedStream,
    GuardPoint,
    StreamCost,
    probes,
)

_ASKED_POINTS: tuple[GuardPoint, ...] = ("input", "pre_model_call")
GUARDS = "guards"
"""Where a call's decisions stand among what is known of how it was served."""
_LOGPROBS = "logprobs"
_GUARDED, _SEEN, _COSTS = "guarded_call", "request_seen", "hold_back"
_CHAIN = "guards_of_call"


class ModelGuards:
    """A step around every call: it judges what is asked, and what is answered as it streams."""

    def __init__(self, file: GuardsFile) -> None:
        self._file = file

    def step(self, call: calls.ModelCall, proceed: calls.Proceed) -> calls.Events:
        """Let a call pass under guard; one of a use case has guards of its own."""
        return self._guarded(call, proceed) if call.use_case is None else proceed(call)

    async def _guarded(self, call: calls.ModelCall, proceed: calls.Proceed) -> calls.Events:
        guarded = self._file.chain().begin()
        call.served.attributes |= {GUARDS: guarded.decisions, _GUARDED: guarded}
        call.served.attributes |= {_CHAIN: guarded.chain, _SEEN: None}
        texts = RequestTexts(call.request, is_guarded=_is_declared(guarded, _ASKED_POINTS))
        guarded.pseudonyms.avoid(lambda: texts.texts)
        is_probe = _is_probe(texts)
        if is_probe:
            guarded.probe()
        for point in _ASKED_POINTS:
            await guarded.message(point, texts.runs)
        asked = call.served.attributes[_SEEN] = texts.request
        events = _echo(asked, texts) if is_probe else proceed(call.asking(asked))
        answer = _Answer(guarded, texts, is_probe=is_probe)
        call.served.attributes[_COSTS] = answer.costs
        if answer.is_guarded and _wants_logprobs(asked):
            answer.left_out.add(_LOGPROBS)
        async with aclosing(events):
            async for event in events:
                passed = await answer.passed(event)
                if new := answer.left_out.difference(call.served.left_out):
                    call.served.left_out = [*call.served.left_out, *sorted(new)]
                for one in passed:
                    yield one


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
    # Its word may be in two parts that are read as one.
    joined = ["".join([one.text for one in run]) for run in texts.runs if len(run) > 1]
    return probes.probed_point([*texts.texts, *joined]) is not None


class _Answer:
    """The answer's parts: words pass as they stream, all else when it is whole.

    Attributes:
        is_guarded: Somebody wants a guard here. Where nobody does, all of it passes as it comes; a
            probe shows what would come of it if somebody did.
        left_out: Of what came beside the words, by name.
    """

    def __init__(self, guarded: GuardedCall, asked: RequestTexts, *, is_probe: bool) -> None:
        self._guarded, self._asked = guarded, asked
        self.is_guarded = is_probe or _is_declared(guarded, ANSWER_POINTS)
        self.costs: list[StreamCost] = []
        self.left_out: set[str] = set()
        self._words = AnswerWords(guarded, ANSWER_POINTS, self.costs)
        self._thoughts = AnswerThoughts(guarded)
        self._streams: dict[Key, GuardedStream] = {}
        self._held: dict[Key, list[str]] = {}
        self._seals: dict[Key, canonical.PartGrew] = {}
        self._echoed: frozenset[str] = frozenset()

    async def passed(self, event: canonical.AnswerEvent) -> list[canonical.AnswerEvent]:
        """The events that may go on now."""
        if isinstance(event, canonical.PartStarted):
            return await self._started(event)
        if isinstance(event, canonical.PartGrew):
            return await self._grew(event)
        if isinstance(event, canonical.PartEnded):
            return await self._ended(event)
        if isinstance(event, canonical.AnswerStarted) and event.wire == "responses":
            # The only wire whose answers repeat what was asked.
            self._echoed = frozenset(self._asked.texts)
        before: list[canonical.AnswerEvent] = []
        if isinstance(event, canonical.ChoiceEnded):
            before = await self._finish(event.choice)
        elif isinstance(event, canonical.AnswerEnded):
            if self._streams or self._held or self._words.is_open or self._thoughts.is_open:
                raise Denied("guard_denied", "The answer ended within a part; it was held back")
            before = await self._finish()
        return [*before, await self._beside(event)]

    async def _finish(self, choice: int | None = None) -> list[canonical.AnswerEvent]:
        """What nothing can follow any more; of one choice, or of all."""
        return [*await self._thoughts.finish(choice), *await self._words.finish(choice)]

    async def _started(self, event: canonical.PartStarted) -> list[canonical.AnswerEvent]:
        part, key = event.part, (event.choice, event.at)
        before: list[canonical.AnswerEvent] = []
        if not isinstance(part, canonical.TextPart):
            before = await self._words.finish(event.choice)
        if not isinstance(part, canonical.ReasoningPart):
            before += await self._thoughts.finish(event.choice)
        if not isinstance(part, canonical.TextPart | canonical.ReasoningPart | canonical.ToolCall):
            return [*before, await self._beside(event)]
        name = "arguments" if isinstance(part, canonical.ToolCall) else "text"
        words = str(getattr(part, name))
        passed: canonical.Part = part
        if not _is_bare(event):
            rest: canonical.Part = part.model_copy(update={name: ""})
            rest = self._unsealed(rest, key) if self.is_guarded else rest
            judged = await self._beside(event.model_copy(update={"part": rest}))
            assert isinstance(judged, canonical.PartStarted)  # noqa: S101 # it stays what it is
            passed = judged.part.model_copy(update={name: words})
        if self.is_guarded:
            wordless = event.model_copy(update={"part": passed.model_copy(update={name: ""})})
            if isinstance(part, canonical.TextPart):
                return [*before, *await self._words.start(wordless, words)]
            if isinstance(part, canonical.ReasoningPart):
                return [*before, *self._thoughts.start(wordless, words)]
            self._held[key] = [words]
            return [*before, wordless]
        stream = self._streams[key] = self._guarded.stream(*ANSWER_POINTS)
        text = await stream.feed(words)
        if text != words:
            passed = passed.model_copy(update={name: text})
        return [event if passed == part else event.model_copy(update={"part": passed})]

    def _unsealed(self, part: canonical.Part, key: Key) -> canonical.Part:
        """The part without what seals its words, which must not stand before the last of them."""
        if isinstance(part, canonical.ToolCall):
            return part  # its provider wants it back as it is, with the call
        sealed = {name: value for name, value in part.extras.items() if name in SEALS}
        signature = part.signature if isinstance(part, canonical.ReasoningPart) else None
        if not sealed and not signature:
            return part
        self._seal(key, signature or "", sealed)
        extras = {name: value for name, value in part.extras.items() if name not in sealed}
        changes = {"extras": extras, **({"signature": None} if signature else {})}
        return part.model_copy(update=changes)

    def _seal(self, key: Key, signature: str, extras: dict[str, Any]) -> None:
        before = self._seals.get(key, canonical.PartGrew(choice=key[0], at=key[1]))
        more = {"signature": before.signature + signature, "extras": before.extras | extras}
        self._seals[key] = before.model_copy(update=more)

    async def _grew(self, event: canonical.PartGrew) -> list[canonical.AnswerEvent]:
        key = event.choice, event.at
        if self.is_guarded and (event.signature or event.extras):
            self._seal(key, event.signature, event.extras)
            event = event.model_copy(update={"signature": "", "extras": {}})
        if self.is_guarded and event.logprobs:
            # Probabilities of words would tell the words that were masked.
            event = event.model_copy(update={"logprobs": ()})
            self.left_out.add(_LOGPROBS)
        if key in self._held:
            self._held[key].append(event.text)
            return []
        if self._thoughts.has(key):
            self._thoughts.grow(key, event.text)
            return []
        if self._words.has(key):
            return await self._words.grow(event) if event.text else []
        if key not in self._streams:
            raise Denied("guard_denied", "A part grew that had not begun; it was held back")
        text = await self._streams[key].feed(event.text)
        if text != event.text:
            event = event.model_copy(update={"text": text, "sizes": ()})
        is_more = text or event.signature or event.logprobs or event.extras
        return [await self._beside(event)] if is_more else []

    async def _ended(self, event: canonical.PartEnded) -> list[canonical.AnswerEvent]:
        key, rest = (event.choice, event.at), ""
        if self._words.has(key):
            seal = self._seals.pop(key, None)
            ended = await self._beside(event)
            assert isinstance(ended, canonical.PartEnded)  # noqa: S101 # it stays what it is
            return await self._words.end(None if seal is None else await self._sealed(seal), ended)
        if self._thoughts.has(key):
            seal = self._seals.pop(key, None)
            sealed = None if seal is None else await self._sealed(seal)
            self._thoughts.end(key, sealed, await self._beside(event))
            return []
        if key in self._streams:
            stream = self._streams.pop(key)
            rest = await stream.finish()
            self.costs.append(stream.cost)
        elif key in self._held:
            rest = await self._whole("".join(self._held.pop(key)))
        grown = self._seals.pop(key, canonical.PartGrew(choice=event.choice, at=event.at))
        grown = grown.model_copy(update={"text": rest})
        is_more = rest or grown.signature or grown.extras
        return [*([await self._beside(grown)] if is_more else []), await self._beside(event)]

    async def _sealed(self, seal: canonical.PartGrew) -> canonical.PartGrew:
        judged = await self._beside(seal)
        assert isinstance(judged, canonical.PartGrew)  # noqa: S101 # it stays what it is
        return judged

    async def _whole(self, words: str) -> str:
        """The arguments of a call, which may hide a sign behind an escape."""
        plain = passed = unescaped(words)
        for point in ANSWER_POINTS:
            [passed] = await self._guarded.texts(point, [passed], value=passed)
        text: str = self._guarded.reveal(words if passed == plain else quoted(plain, passed))
        return text

    async def _beside(self, event: canonical.AnswerEvent) -> canonical.AnswerEvent:
        """An event with all that it holds but words."""
        if _is_bare(event):
            return event
        is_edge = isinstance(event, canonical.AnswerStarted | canonical.AnswerEnded)
        asked = self._echoed if is_edge else frozenset[str]()
        texts = EventTexts(event, asked=asked, is_guarded=self.is_guarded)
        if texts.runs:
            for point in ANSWER_POINTS:
                await self._guarded.message(point, texts.runs, is_whole=False)
        passed = texts.event(self._guarded.reveal)
        self.left_out |= texts.left_out
        return passed


def _is_bare(event: canonical.AnswerEvent) -> bool:
    """Whether there is nothing in it but words, as in most events; looking costs more than that."""
    if isinstance(event, canonical.PartGrew):
        return not (event.signature or event.extras)
    if isinstance(event, canonical.PartStarted):
        part = event.part
        return isinstance(part, canonical.TextPart) and not (part.extras or part.logprobs)
    if isinstance(event, canonical.ChoiceEnded):
        is_usual = event.finish_as_sent in (None, event.finish_reason)
        return is_usual and not (event.extras or event.turn_extras)
    return isinstance(event, canonical.PartEnded | canonical.AnswerEnded) and not event.extras


async def _echo(request: canonical.ModelRequest, texts: RequestTexts) -> calls.Events:
    """What comes back of a probe that got as far as the model: its answer, or what was asked."""
    part = canonical.TextPart(text=" ".join(texts.texts))
    turn = canonical.Turn(role="assistant", parts=(part,), is_plain=True)
    choice = canonical.Choice(turn=turn, finish_reason="stop")
    answer = canonical.ModelAnswer(wire="lineside", model=request.model, choices=(choice,))
    said = request.turns[-1].text if request.turns else ""
    if said.startswith("{"):
        answer = wires.wire_named(request.wire).read_answer(wires.read_object(said.encode()))
    for event in canonical.events_of(answer):
        yield event


def keep_unseen(call: calls.ModelCall, chain: GuardChain | None) -> None:
    """Note the guards of a use case's call, which see the request when its release gets it.

    A call that does not come so far is kept without what was said in it, unless no guard is there
    that would have masked it.

    Args:
        chain: Nothing while they are not known.
    """
    said = call.served.attributes
    said |= {_CHAIN: chain, _SEEN: None}
    if chain is not None and not any(guard.hides_text for guard in chain.guards):
        del said[_SEEN]


def chain_of(call: calls.ModelCall) -> GuardChain | None:
    """The guards of a call; nothing where nobody could say which."""
    chain = call.served.attributes.get(_CHAIN)
    return chain if isinstance(chain, GuardChain) else None


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


def is_hidden(call: calls.ModelCall) -> bool:
    """Whether something was said that no trace may keep either."""
    guarded = call.served.attributes.get(_GUARDED)
    return isinstance(guarded, GuardedCall) and guarded.is_hidden


def answer_kept(call: calls.ModelCall, answer: canonical.ModelAnswer) -> canonical.ModelAnswer:
    """The whole answer as it may be kept: with marks for what its caller had said."""
    guarded = call.served.attributes.get(_GUARDED)
    if not isinstance(guarded, GuardedCall) or not guarded.pseudonyms:
        return answer
    raw = answer.model_dump(mode="json")
    concealed = guarded.conceal(raw)
    return answer if concealed == raw else canonical.ModelAnswer.model_validate(concealed)


def decisions_of(call: calls.ModelCall) -> list[GuardDecision]:
    """What guards said of a call, probes aside."""
    said = call.served.attributes.get(GUARDS, [])
    decisions = said if isinstance(said, list) else []
    return [one for one in decisions if one.guard != probes.PROBE]


def hold_back_of(call: calls.ModelCall) -> list[dict[str, Any]]:
    """What holding back took, for each text of the answer."""
    costs = call.served.attributes.get(_COSTS)
    return [dict(vars(one)) for one in costs] if isinstance(costs, list) else []
