"""Calls of `/v1/responses` whose answers are kept: what they go on from, and what is kept of them.

What is kept is what guards let pass, in the words of the wire: so it can be read again as it was
said, and what is asked next goes through every guard as one whole request.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import orjson

from lineside.apps.metadata_kept import metadata_masked, metadata_of
from lineside.apps.metered import payer_of
from lineside.apps.model_calls import KEPT, OpenAnswer
from lineside.apps.model_guards import answer_kept, chain_of, is_hidden, request_kept
from lineside.core import Invalid, LinesideError, NotFound
from lineside.gateway import calls, canonical, stored, wires
from lineside.trust import Scope

PREVIOUS = "previous_response_id"
_OURS = (PREVIOUS, "store")
_WIRE = wires.wire_named("responses")
_REPEATED = (
    *("instructions", "max_output_tokens", "parallel_tool_calls", "reasoning", "temperature"),
    *("text", "tool_choice", "tools", "top_p"),
)
"""What a response of this wire repeats of its request."""


@dataclass
class StoredCall:
    """One call, from what it goes on from to what is kept of it.

    Attributes:
        asked: The request as its wire has it, with all that was said before.
        is_wanted: Its answer is to be kept.
        beside: What the answer says of itself beside the model's own words.
        repeated: What it repeats of the request, where its model's wire does not do so.
        left_out: What of the request nothing here fulfils.
    """

    scope: Scope
    asked: dict[str, Any]
    is_wanted: bool
    beside: dict[str, Any]
    repeated: dict[str, Any]
    left_out: list[str] = field(default_factory=list)
    chain: stored.Chain | None = None
    id: str = field(default_factory=stored.new_response_id)

    async def whole(self, opened: OpenAnswer, answer: canonical.ModelAnswer) -> dict[str, Any]:
        """The answer in the words of the wire; it is kept before this returns."""
        self._hear(opened.call, answer.wire)
        if self.is_wanted:
            answer = answer.model_copy(update={"id": self.id})
            await self._keep(opened.call, answer)
        return _WIRE.write_answer(answer) | self.beside

    def events(self, opened: OpenAnswer) -> calls.Events:
        """The events of a streamed answer; it is kept before the last of them, and only if whole.

        One that breaks off, by whoever's doing, is not kept: nobody has heard its end.
        """
        if isinstance(opened.first, canonical.AnswerStarted):
            self._hear(opened.call, opened.first.wire)
        return self._kept(opened) if self.is_wanted else opened.events()

    async def _kept(self, opened: OpenAnswer) -> calls.Events:
        changes: dict[str, Any] = {"id": self.id}
        async with aclosing(opened.events()) as events:
            async for event in events:
                if isinstance(event, canonical.AnswerStarted):
                    changes["created_s"] = event.created_s
                    event = event.model_copy(update=changes)
                elif isinstance(event, canonical.AnswerEnded):
                    answer = opened.answer.model_copy(update=changes)
                    await self._keep(opened.call, answer)
                yield event

    def _hear(self, call: calls.ModelCall, wire: str) -> None:
        if wire == "responses":  # then its provider says itself what it was asked
            self.repeated = {}
        elif call.use_case is not None:  # whose release says how it is asked
            self.repeated = {"metadata": self.repeated["metadata"]}
        self.beside |= self.repeated

    async def _keep(self, call: calls.ModelCall, answer: canonical.ModelAnswer) -> None:
        """Keep the answer; where that cannot be, it says so itself."""
        self.beside["store"] = False
        response = self._response(call, answer)
        if response is None:
            return
        expiring = self.chain.expiring if self.chain else ()
        try:
            self.beside["store"] = await asyncio.to_thread(
                stored.keep_response, self.scope.store, response, expiring=expiring
            )
        except LinesideError:
            return  # the caller has the answer all the same

    def _response(
        self, call: calls.ModelCall, answer: canonical.ModelAnswer
    ) -> stored.StoredResponse | None:
        """What may be kept; nothing where a guard let pass what must not be."""
        repeated: dict[str, Any] = {}
        if call.use_case is not None:
            kept: Any = call.served.attributes.get(KEPT)
            if kept is None or kept[0] is None:
                return None
            items, answer = [_asked_of(kept[0])], _answered(answer, kept[1])
            said = metadata_of(call.request)[0]
            repeated = {"metadata": metadata_masked(chain_of(call), said)}
        elif is_hidden(call):
            return None
        else:
            request = request_kept(call)
            before = len(self.chain.items) if self.chain else 0
            items = wires.input_items(request.turns[before:])
            repeated = _WIRE.write_request(request)
            answer = answer_kept(call, answer)
        own = {name: value for name, value in self.beside.items() if name not in self.repeated}
        own |= {name: repeated[name] for name in self.repeated if name in repeated}
        own["store"] = True
        return stored.StoredResponse(
            workspace=call.workspace,
            id=self.id,
            previous_id=self.beside[PREVIOUS],
            trace_id=call.trace_id,
            key=call.key,
            use_case=call.use_case,
            items=items,
            answer=_WIRE.write_answer(answer) | own,
        )


async def begin(scope: Scope, raw: Mapping[str, Any]) -> StoredCall:
    """Read what a request says of responses that are kept, and find what it goes on from.

    Raises:
        Invalid: That is not here, or not for this caller, or not all of it is here any more.
    """
    previous, wish = raw.get(PREVIOUS), raw.get("store")
    for name, value, kind in ((PREVIOUS, previous, str), ("store", wish, bool)):
        if value is not None and not isinstance(value, kind):
            expected = "a text" if kind is str else "true or false"
            raise Invalid(
                "wire_misfit", f"`body.{name}` is `{str(value)[:40]}`, expected {expected}"
            )
    asked = {name: value for name, value in raw.items() if name not in _OURS}
    if wish is False:
        asked["store"] = False  # a provider that would keep it is not to, either
    is_kept_here = scope.store.settings.response_days > 0
    chain = None
    if previous:
        chain = await asyncio.to_thread(_chain, scope, previous)
        asked["input"] = _continued(chain, asked.get("input"))
    metadata = raw.get("metadata")
    is_wanted = wish is not False and is_kept_here
    return StoredCall(
        scope,
        asked,
        is_wanted,
        beside={
            "store": is_wanted,
            PREVIOUS: previous or None,
        },
        repeated={"metadata": metadata if isinstance(metadata, dict) else {}}
        | {name: raw[name] for name in _REPEATED if raw.get(name) is not None},
        left_out=["store"] if wish and not is_kept_here else [],
        chain=chain,
    )


async def find(scope: Scope, response_id: str) -> stored.StoredResponse:
    """A response that is kept, for whoever asked for it, and for whoever may read its trace.

    Raises:
        NotFound: It is not here, or not for this caller; nothing says which.
    """
    found = await asyncio.to_thread(stored.find_response, scope.store, scope.workspace, response_id)
    if found is None or not _may_read(scope, found):
        raise NotFound(
            "response_not_found",
            f"No response `{response_id[:80]}` is kept",
            hint="It was asked with `store: false` or by another key, is over, or was deleted.",
        )
    return found


async def delete(scope: Scope, response_id: str) -> None:
    """Delete a response for good; its trace stays.

    Raises:
        NotFound: As `find`.
        Denied: Somebody else asked for it, and the right `erase` is missing.
    """
    found = await find(scope, response_id)
    if not _is_own(scope, found):
        scope.require("erase", use_case=found.use_case)
    await asyncio.to_thread(stored.delete_response, scope.store, scope.workspace, response_id)


async def asked_of(scope: Scope, response_id: str) -> list[dict[str, Any]]:
    """All that a response was asked, as far as it is here: what it went on from comes first.

    Raises:
        NotFound: As `find`.
    """
    found = await find(scope, response_id)
    chain = await asyncio.to_thread(stored.find_chain, scope.store, scope.workspace, found.id)
    before = chain.responses[:-1] if chain else ()
    items = [_listed(item, one.id, at) for one in before for at, item in enumerate(one.said)]
    return [*items, *(_listed(item, found.id, at) for at, item in enumerate(found.items))]


def _chain(scope: Scope, previous: str) -> stored.Chain:
    if scope.store.settings.response_days <= 0:
        raise Invalid(
            "not_stored",
            f"`{PREVIOUS}` is not taken: this server keeps no responses to go on from",
            hint="Send the conversation so far as `input`, or set LINESIDE_RESPONSE_DAYS above 0.",
        )
    chain = stored.find_chain(scope.store, scope.workspace, previous)
    if chain is None or not _may_read(scope, chain.responses[-1]):
        raise Invalid(
            "previous_response_not_found",
            f"No response `{previous[:80]}` is kept to go on from",
            hint="It was asked with `store: false` or by another key, is over, or was deleted; "
            "send the conversation so far as `input`.",
        )
    if not chain.is_whole:
        raise Invalid(
            "previous_response_gone",
            f"The conversation up to `{previous}` is not whole any more: a response before it was "
            "deleted or erased",
            hint="Send what matters of it as `input`.",
        )
    return chain


def _is_own(scope: Scope, response: stored.StoredResponse) -> bool:
    return response.key == payer_of(scope).key


def _may_read(scope: Scope, response: stored.StoredResponse) -> bool:
    """Whether it is the caller's own, or one whose trace they may read all the same."""
    if _is_own(scope, response):
        return True
    is_within = scope.use_cases is None or response.use_case in scope.use_cases
    return "read" in scope.rights and is_within


def _continued(chain: stored.Chain, asked: Any) -> Any:
    """What was said before with what is asked now; what cannot be asked is left to be refused."""
    if isinstance(asked, str):
        asked = [{"role": "user", "content": asked}]
    return [*chain.items, *asked] if isinstance(asked, list) else asked


def _asked_of(seen: Any) -> dict[str, Any]:
    """The input of a use case, as guards let it pass, as an item of the wire."""
    words = list(seen.values()) if isinstance(seen, dict) else [seen]
    is_one_text = len(words) == 1 and isinstance(words[0], str)
    text = words[0] if is_one_text else orjson.dumps(seen).decode()
    return {"role": "user", "content": text}


def _answered(answer: canonical.ModelAnswer, said: Any) -> canonical.ModelAnswer:
    """The answer of a use case with marks for what its caller had said."""
    [choice] = answer.choices
    part = canonical.TextPart(text=orjson.dumps(said).decode())
    turn = choice.turn.model_copy(update={"parts": (part,)})
    return answer.model_copy(update={"choices": (choice.model_copy(update={"turn": turn}),)})


def _listed(item: dict[str, Any], response_id: str, at: int) -> dict[str, Any]:
    """An item as lists show it: with an id, and its words as parts."""
    if "role" not in item:
        return {"id": f"item_{response_id}_in{at}"} | item
    kind = "output_text" if item["role"] == "assistant" else "input_text"
    content = item.get("content")
    if isinstance(content, str):
        content = [{"type": kind, "text": content}]
    listed = {"id": f"msg_{response_id}_in{at}", "type": "message", "status": "completed"}
    return listed | item | {"content": content}
