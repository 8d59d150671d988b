"""Calls of models in the canonical form: a use case or a plain model answers; both are traced."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import orjson

from lineside.apps.call import Call, CallAnswer
from lineside.apps.call_place import CallPlace as CallPlace
from lineside.apps.call_trace import CallTrace
from lineside.apps.enforcement import live_names
from lineside.apps.guards_file import GuardsFile
from lineside.apps.kept_answers import CacheWish
from lineside.apps.keys_in_use import KeysInUse
from lineside.apps.metadata_kept import metadata_of, user_of
from lineside.apps.metered import payer_of as payer_of
from lineside.apps.model_guards import GUARDS, ModelGuards, decisions_of, keep_unseen
from lineside.apps.serving import Serving
from lineside.core import Invalid, LinesideError, NotFound, Settings, now
from lineside.gateway import budgets, cache, calls, canonical
from lineside.guardrails import judging, probes
from lineside.trust import Scope

_VECTORS = "vectors"
# The longest answer is not among them, which one wire makes everybody say.
_SETTLED = (
    *("answer_form", "temperature", "top_p", "top_k", "seed", "stop", "frequency_penalty"),
    *("presence_penalty", "wants_logprobs", "reasoning_effort", "reasoning_tokens_max"),
)
KEPT = "kept"
"""Where stands what may be kept of a use case's call: of its input, and of its output."""


@dataclass(frozen=True)
class ModelCaller:
    """Who calls by a model door, and where the call stands in a trace.

    Attributes:
        session: Ties calls of one conversation together; `user` whom the caller serves.
        cache_s: For how many seconds an answer that was given before will do; 0: not at all.
        cache_similarity_min: How near another question must be at least for its answer to do,
            beyond what a route asks for; 1: only the same will do.
    """

    scope: Scope
    place: CallPlace
    session: str | None = None
    user: str | None = None
    cache_s: int | None = None
    cache_similarity_min: float = 0.0


class OpenAnswer:
    """An answer whose first event is there; the rest comes as it is asked for.

    Attributes:
        first: The first event, once it is there.
    """

    def __init__(self, call: calls.ModelCall, trace: CallTrace, events: calls.Events) -> None:
        self.call = call
        self._trace, self._events = trace, events
        self.first: canonical.AnswerEvent | None = None

    @property
    def guards(self) -> dict[str, str]:
        """What each guard said so far, by its name: the gravest of all its points."""
        return dict(judging.verdicts(decisions_of(self.call)))

    @property
    def answer(self) -> canonical.ModelAnswer:
        """What came of the answer so far."""
        return self._trace.answer

    async def begin(self) -> None:
        """Wait for the first event, so that a failure before it is a failure of the whole call."""
        first = await anext(self._events)
        if isinstance(first, canonical.AnswerStarted) and not (first.id and first.created_s):
            # Some wires have neither; every client of a stream looks for both in its beginning.
            dated = {"id": first.id or uuid4().hex, "created_s": int(now().timestamp())}
            first = first.model_copy(update=dated)
        self.first = first

    async def events(self) -> calls.Events:
        """Every event, the first again; closing it ends the call at its provider."""
        async with aclosing(self._events):
            if self.first is not None:
                yield self.first
            async for event in self._events:
                yield event

    async def whole(self) -> canonical.ModelAnswer:
        """The answer once it is complete."""
        async with aclosing(self._events):
            async for _ in self._events:
                pass
        return self.answer


class ModelCalls:
    """Answers every call that comes by a model door, by one path. One per process.

    Args:
        steps: What stands around every call, streamed or not: guards. The cache is always there,
            and budgets closest to the models, so that they count what really goes out.
    """

    def __init__(
        self, serving: Serving, gateway: calls.Gateway, *, steps: Sequence[calls.CallStep] = ()
    ) -> None:
        self._serving = serving
        self.gateway = gateway
        cached = cache.caching(serving.store, gateway)
        self._keys = KeysInUse(serving.store)
        self._steps = (*steps, cached, budgets.metering(serving.meter, gateway))

    async def open(self, caller: ModelCaller, request: canonical.ModelRequest) -> OpenAnswer:
        """Begin to answer.

        Raises:
            LinesideError: There is no first piece of an answer.
        """
        return await self._open(caller, request, None)

    async def embed(
        self, caller: ModelCaller, request: canonical.EmbeddingRequest
    ) -> tuple[canonical.EmbeddingAnswer, OpenAnswer]:
        """Turn texts into vectors, by the same steps as any call."""
        turns = tuple(
            canonical.Turn(role="user", parts=(canonical.TextPart(text=text),))
            for text in request.texts
        )
        asked = canonical.ModelRequest(
            wire="lineside",
            model=request.model,
            turns=turns,
            user=request.user,
            extras=request.extras,
        )
        opened = await self._open(caller, asked, request)
        await opened.whole()
        vectors = opened.call.served.attributes[_VECTORS]
        assert isinstance(vectors, canonical.EmbeddingAnswer)  # noqa: S101 # set by `_vectors`
        return vectors, opened

    async def count(self, caller: ModelCaller, request: canonical.ModelRequest) -> int:
        """Count the tokens of a request, by the same steps as any call."""
        opened = await self._open(caller, request, None, wants="count")
        answer = await opened.whole()
        return (answer.tokens and answer.tokens.tokens_in) or 0

    async def names(self, scope: Scope) -> list[str]:
        """What a caller may give as `model`: live use cases, routes, named models."""
        if "run" not in scope.rights:
            scope.require("run")
        # Who may run all of them, or some, may know what those are called.
        seeing = replace(scope, rights=scope.rights | {"read"})
        is_barred = scope.models is not None and scope.use_cases is None
        found = [] if is_barred else await asyncio.to_thread(live_names, seeing)
        plain = [*self.gateway.names(), calls.EMBEDDED]
        return [*found, *(name for name in plain if scope.may_call(name))]

    async def close(self) -> None:
        """Give back the connections to providers."""
        await self._keys.close()
        await self.gateway.close()

    async def _open(
        self,
        caller: ModelCaller,
        request: canonical.ModelRequest,
        vectors: canonical.EmbeddingRequest | None,
        *,
        wants: calls.Wants = "words",
    ) -> OpenAnswer:
        is_plain = self.gateway.knows(request.model) or request.model == calls.EMBEDDED
        use_case = None if is_plain else request.model
        if use_case is None:
            caller.scope.require_model(request.model)
        else:
            caller.scope.require("run", use_case=use_case)
            if "/" in use_case:
                self.gateway.target(use_case)  # says which providers there are: no use case has one
        call = calls.ModelCall(
            request=request,
            workspace=caller.scope.workspace,
            actor=caller.scope.actor.name,
            key=payer_of(caller.scope).key,
            team=caller.scope.team,
            wants="vectors" if vectors else wants,
            use_case=use_case,
            session=caller.session,
            user=caller.user or user_of(request),
            trace_id=caller.place.trace_id,
            traceparent=caller.place.header,
            cache_s=caller.cache_s,
            cache_similarity_min=caller.cache_similarity_min,
        )
        trace = CallTrace(caller.scope, call, caller.place)

        if use_case is not None:
            keep_unseen(call, None)

        def last(asked: calls.ModelCall) -> calls.Events:
            if asked.wants == "count":
                return self._count(caller, asked)
            if vectors is not None:
                return self._vectors(asked, vectors)
            if asked.use_case is None:
                return self.gateway.events(asked)
            return self._use_case(caller, asked)

        events = calls.with_steps(self._steps, last)(call)
        if request.is_stream:
            events = self._keys.follow(caller.scope, events)
        opened = OpenAnswer(call, trace, _traced(trace, call.served, events))
        await opened.begin()
        return opened

    async def _use_case(self, caller: ModelCaller, call: calls.ModelCall) -> calls.Events:
        request, use_case = call.request, call.use_case or ""
        fields, chain = await self._serving.entrance(caller.scope, use_case)
        keep_unseen(call, chain)
        if request.tools or (request.choices_wanted or 1) > 1:
            raise Invalid(
                "use_case_fixed",
                f"`{use_case}` is a use case: it takes no tools, and answers once",
                hint="Its release says how it answers; ask `provider/model` for a plain model.",
            )
        given = Call(
            input=_input(request, fields),
            session=call.session,
            user=call.user,
            metadata=metadata_of(request)[0],
        )
        answer = await self._serving.call(
            caller.scope,
            use_case,
            given,
            place=caller.place,
            limits=call.served.limits,
            wish=CacheWish(call.cache_s, call.cache_similarity_min),
        )
        served = call.served
        served.release, served.release_id, served.arm = (
            answer.release,
            answer.release_id,
            answer.arm,
        )
        served.provider, served.why = answer.provider, answer.why
        served.left_out = _fixed(request)
        served.waited_s = answer.model_ms / 1000
        served.attributes |= {"hand_off": answer.hand_off, GUARDS: answer.guards, **answer.cache}
        served.attributes["kept_live"] = ", ".join(answer.kept_live)
        served.attributes[KEPT] = (answer.seen, answer.said)
        for event in canonical.events_of(_said(answer, use_case)):
            yield event

    async def _vectors(
        self, call: calls.ModelCall, asked: canonical.EmbeddingRequest
    ) -> calls.Events:
        if call.use_case is not None:
            raise NotFound(
                "unknown_model",
                f"`{call.use_case[:80]}` is no embedding model: a use case answers in words",
                hint=f"Name one as `provider/model`; `{calls.EMBEDDED}` is on this machine.",
            )
        # All of it as the steps left it, with what they masked.
        left = call.request
        texts = tuple(turn.text for turn in left.turns)
        asked = asked.model_copy(update={"texts": texts, "user": left.user, "extras": left.extras})
        answer = await calls.embed(self.gateway, call, asked)
        call.served.attributes[_VECTORS] = answer
        yield canonical.AnswerStarted(wire="lineside", model=answer.model)
        if answer.tokens is not None:
            yield canonical.TokensCounted(tokens=answer.tokens)
        yield canonical.AnswerEnded()

    async def _count(self, caller: ModelCaller, call: calls.ModelCall) -> calls.Events:
        if call.use_case is not None:
            await self._serving.input_fields(caller.scope, call.use_case)  # if there is one
            raise Invalid(
                "tokens_not_countable",
                f"`{call.use_case}` is a use case: what its model reads is its release's own",
                hint="Each of its answers says what it took.",
            )
        count = await calls.count_tokens(self.gateway, call)
        yield canonical.AnswerStarted(wire="lineside", model=call.request.model)
        yield canonical.TokensCounted(tokens=canonical.TokenCounts(tokens_in=count))
        yield canonical.AnswerEnded()


async def _traced(trace: CallTrace, served: calls.ServedBy, events: calls.Events) -> calls.Events:
    """Pass the events on; the trace is durable before the caller hears that the answer is whole."""
    try:
        async with aclosing(events):
            async for event in events:
                trace.saw(event)
                if isinstance(event, canonical.AnswerEnded):
                    for do in served.when_whole:
                        await do()
                    await trace.keep()
                yield event
    except LinesideError as error:
        if not probes.is_probe(error):
            await trace.keep_error(error)
        raise
    except BaseException:
        trace.keep_left()
        raise


def _input(request: canonical.ModelRequest, fields: list[str]) -> Any:
    """The user's last words as the input of an app: its fields as JSON, or its only field."""
    asked = next((turn for turn in reversed(request.turns) if turn.role == "user"), None)
    if asked is None or not any(isinstance(part, canonical.TextPart) for part in asked.parts):
        raise Invalid(
            "input_misfit",
            "There is no message of a user with text in it",
            hint="A use case takes the last message of role `user` as its input.",
        )
    if any(isinstance(part, canonical.MediaPart | canonical.OtherPart) for part in asked.parts):
        # Left out, it would be answered as if somebody had looked at it.
        raise Invalid(
            "input_misfit",
            "The message has more in it than text, such as a picture, and an app reads text alone",
            hint="Send the text by itself; ask `provider/model` for a model that sees pictures.",
        )
    said = asked.text
    try:
        value = orjson.loads(said)
    except orjson.JSONDecodeError:
        value = None
    if isinstance(value, dict) and (len(fields) != 1 or value.keys() <= set(fields)):
        return value
    if len(fields) == 1:
        return {fields[0]: said}
    names = ", ".join(f"`{name}`" for name in fields)
    raise Invalid(
        "input_misfit",
        "The last words of the user are no JSON object",
        hint=f"This app takes an object with {names}; write it as the user's message.",
    )


def _fixed(request: canonical.ModelRequest) -> list[str]:
    """What a request asks for and the release of a use case has settled, by name."""
    said = [name for name in _SETTLED if getattr(request, name)]
    spoken = [turn for turn in request.turns if turn.role in ("system", "developer")]
    others = len(request.turns) - len(spoken)
    return [
        *(["system"] if request.system or spoken else []),
        *(["earlier turns"] if others > 1 else []),
        *said,
        *(["metadata"] if metadata_of(request)[1] else []),
    ]


def _said(answer: CallAnswer, use_case: str) -> canonical.ModelAnswer:
    words = orjson.dumps(answer.output).decode()
    turn = canonical.Turn(role="assistant", parts=(canonical.TextPart(text=words),), is_plain=True)
    return canonical.ModelAnswer(
        wire="lineside",
        id=answer.trace_id,
        model=use_case,
        created_s=int(now().timestamp()),
        choices=(canonical.Choice(turn=turn, finish_reason="stop"),),
        tokens=canonical.TokenCounts(tokens_in=answer.tokens_in, tokens_out=answer.tokens_out),
    )


def open_model_calls(settings: Settings, serving: Serving, guards: GuardsFile) -> ModelCalls:
    """Everything between the model doors and the providers, as the settings ask.

    Args:
        guards: Those of plain models.

    Raises:
        Invalid: The file of providers and routes does not fit.
    """
    path = calls.gateway_file(settings)
    gateway = calls.Gateway(path, price_tables=serving.meter.price_tables)
    return ModelCalls(serving, gateway, steps=[ModelGuards(guards).step])
