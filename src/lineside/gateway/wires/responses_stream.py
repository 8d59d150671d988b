"""OpenAI Responses: the stream, read and written."""

from collections.abc import Iterator
from typing import Any

from lineside.gateway.canonical.answer import TokenCounts
from lineside.gateway.canonical.assembly import Assembly
from lineside.gateway.canonical.events import (
    AnswerEnded,
    AnswerEvent,
    AnswerStarted,
    ChoiceEnded,
    PartEnded,
    PartGrew,
    PartStarted,
    TokensCounted,
)
from lineside.gateway.canonical.parts import OtherPart, Part, ReasoningPart, TextPart, ToolCall
from lineside.gateway.canonical.request import ModelRequest
from lineside.gateway.canonical.sequence import PartsInTurn
from lineside.gateway.wires.fields import Fields, sent
from lineside.gateway.wires.responses_answer import (
    named,
    read_finish,
    read_tokens,
    write_finish,
    write_head,
    write_tokens,
)
from lineside.gateway.wires.responses_items import (
    read_output,
    read_thought,
    write_output,
)
from lineside.gateway.wires.sse import SseEvent, cut_off, failed, malformed, write_event

_GROWTH = {
    "response.output_text.delta": "delta",
    "response.refusal.delta": "delta",
    "response.function_call_arguments.delta": "delta",
    "response.reasoning_summary_text.delta": "delta",
    "response.reasoning_text.delta": "delta",
}
_OWN_FIELDS = ("id", "model", "created_at", "output", "usage", "status")
_ENDS = ("response.completed", "response.incomplete")


class ResponsesStreamReader:
    """Reads the events of one answer."""

    def __init__(self) -> None:
        self._at: dict[tuple[int, int], int] = {}
        self._parts: list[Part] = []
        self._items: dict[int, dict[str, Any]] = {}
        self._is_started = False
        self._is_done = False

    def read(self, event: SseEvent) -> Iterator[AnswerEvent]:
        """The events that one of the stream holds.

        Raises:
            Unavailable: It cannot be read, or the endpoint says that it failed.
        """
        raw = event.read()
        kind = raw.get("type", event.name)
        if kind == "response.output_item.added":
            yield from self._item(raw["output_index"], raw.get("item") or {})
        elif kind == "response.content_part.added":
            yield from self._piece(raw)
        elif kind in _GROWTH:
            yield from self._growth(raw)
        elif kind == "response.content_part.done":
            yield from self._piece_done(raw)
        elif kind == "response.output_item.done":
            yield from self._item_done(raw["output_index"], raw.get("item") or {})
        elif kind in _ENDS:
            yield from self._end(raw.get("response") or {})
        elif kind in ("error", "response.failed"):
            error = (raw.get("response") or {}).get("error") or raw.get("error") or raw
            raise failed(error)
        elif isinstance(raw.get("response"), dict) and not self._is_started:
            yield self._start(raw["response"])

    def end(self) -> Iterator[AnswerEvent]:
        """The connection ended.

        Raises:
            Unavailable: The answer had not.
        """
        if not self._is_done:
            raise cut_off()
        yield from ()

    def _start(self, response: dict[str, Any]) -> AnswerEvent:
        self._is_started = True
        return AnswerStarted(
            wire="responses",
            id=response.get("id") or "",
            model=response.get("model") or "",
            created_s=response.get("created_at"),
            extras={name: value for name, value in response.items() if name not in _OWN_FIELDS},
        )

    def _item(self, index: int, item: dict[str, Any]) -> Iterator[AnswerEvent]:
        if item.get("status") == "in_progress":
            # As it will stand in the whole answer.
            item = item | {"status": "completed"}
        self._items[index] = item
        if item.get("type") == "function_call":
            yield self._begin(index, 0, read_output(item, place="item")[0])
        elif item.get("type") == "reasoning":
            fields = Fields(item, place="item")
            fields.need("type", str)
            # Its seal may come with its end, in another form; that one counts.
            fields.rest.pop("encrypted_content", None)
            yield self._begin(index, 0, read_thought(fields))

    def _begin(self, index: int, piece: int, part: Part) -> AnswerEvent:
        at = self._at[index, piece] = len(self._parts)
        self._parts.append(part)
        return PartStarted(at=at, part=part)

    def _piece(self, raw: dict[str, Any]) -> Iterator[AnswerEvent]:
        index, piece = raw["output_index"], raw["content_index"]
        item = self._items.get(index, {})
        if item.get("type") != "message":
            return
        whole = {**item, "content": [raw["part"]]}
        part = read_output(whole, place="part")[0]
        if piece > 0 and isinstance(part, TextPart):
            marks = {name: value for name, value in part.extras.items() if name != "~item"}
            part = part.model_copy(update={"extras": marks})
        yield self._begin(index, piece, part)

    def _growth(self, raw: dict[str, Any]) -> Iterator[AnswerEvent]:
        key = (raw.get("output_index", -1), raw.get("content_index", 0))
        at = self._at.get(key, self._at.get((key[0], 0)))
        if at is None:
            raise malformed(f"more of item {key[0]}, which has not begun")
        logprobs = tuple(raw.get("logprobs") or ())
        if raw.get("delta") or logprobs:
            yield PartGrew(at=at, text=raw.get("delta") or "", logprobs=logprobs)

    def _piece_done(self, raw: dict[str, Any]) -> Iterator[AnswerEvent]:
        at = self._at.get((raw["output_index"], raw["content_index"]))
        if at is not None and isinstance(self._parts[at], TextPart):
            noise = ("type", "text", "refusal", "logprobs")
            rest = {name: value for name, value in raw["part"].items() if name not in noise}
            yield PartEnded(at=at, extras=rest)

    def _item_done(self, index: int, item: dict[str, Any]) -> Iterator[AnswerEvent]:
        at = self._at.get((index, 0))
        if at is None:
            for part in read_output(item, place="item"):
                begun = self._begin(index, 0, part)
                yield begun
                yield PartEnded(at=self._at[index, 0])
        elif isinstance(self._parts[at], ToolCall):
            yield PartEnded(at=at)
        elif isinstance(self._parts[at], ReasoningPart):
            fields = Fields(item, place="item")
            fields.need("type", str)
            whole = read_thought(fields)
            if whole.signature:
                yield PartGrew(at=at, signature=whole.signature)
            yield PartEnded(at=at, extras=whole.extras)

    def _end(self, response: dict[str, Any]) -> Iterator[AnswerEvent]:
        self._is_done = True
        yield ChoiceEnded(**read_finish(response, self._parts))
        counts = read_tokens(response.get("usage"))
        if counts is not None:
            yield TokensCounted(tokens=counts)
        rest = {name: value for name, value in response.items() if name not in _OWN_FIELDS}
        yield AnswerEnded(extras=rest)


class ResponsesStreamWriter:
    """Writes the events of one answer; what it repeats at their ends it has put together itself.

    So a word that was changed or held back on its way appears nowhere in its old form.

    Args:
        beside: What the answer says of itself beside the model's words; read when it is said.
    """

    def __init__(
        self,
        request: ModelRequest | None = None,  # noqa: ARG002 # other wires need it
        *,
        beside: dict[str, Any] | None = None,
    ) -> None:
        self._beside = {} if beside is None else beside
        self._assembly = Assembly()
        self._in_turn = PartsInTurn()
        self._is_own = False
        self._number = -1
        self._places: dict[int, tuple[int, int]] = {}
        self._items: list[dict[str, Any]] = []
        self._is_open = False
        self._thoughts: set[int] = set()
        self._finish: ChoiceEnded | None = None
        self._tokens: TokenCounts | None = None

    @property
    def number(self) -> int:
        """What the next event counts as."""
        return self._number + 1

    def write(self, event: AnswerEvent) -> bytes:
        """The events that say one of ours; of the first choice, since this wire has no other."""
        if getattr(event, "choice", 0) != 0:
            return b""
        return b"".join([self._write(one) for one in self._in_turn.feed(event)])

    def _write(self, event: AnswerEvent) -> bytes:
        self._assembly.add(event)
        match event:
            case AnswerStarted():
                self._is_own = event.wire == "responses"
                return self._snapshot("response.created") + self._snapshot("response.in_progress")
            case PartStarted():
                return self._begin(event)
            case PartGrew():
                return self._grow(event.at, event.text, list(event.logprobs))
            case PartEnded():
                return self._part_done(event.at)
            case ChoiceEnded():
                self._finish = event
            case TokensCounted():
                self._tokens = event.tokens
            case AnswerEnded():
                return self._close_item() + self._completed()
        return b""

    def _begin(self, event: PartStarted) -> bytes:
        part, before = event.part, b""
        if isinstance(part, OtherPart) and not self._is_own:
            return b""
        joins = isinstance(part, TextPart) and "~item" not in part.extras and self._is_open
        if not joins:
            before = self._close_item()
            item = self._named(write_output([_empty(part)], is_own=self._is_own)[:1])
            self._items.append(item)
            self._is_open = isinstance(part, TextPart)
            shown = item | {"content": []} if item["type"] == "message" else item
            state = {} if item["type"] == "reasoning" else {"status": "in_progress"}
            before += self._item("response.output_item.added", len(self._items) - 1, shown | state)
        index = len(self._items) - 1
        piece = sum(place[0] == index for place in self._places.values())
        self._places[event.at] = (index, piece)
        if isinstance(part, TextPart):
            name = "refusal" if part.is_refusal else "text"
            kind = "refusal" if part.is_refusal else "output_text"
            shown = {"type": kind, name: "", **({} if part.is_refusal else {"annotations": []})}
            shown |= sent(part.extras, is_own=self._is_own)
            before += self._at("response.content_part.added", event.at, {"part": shown})
        words = part.arguments if isinstance(part, ToolCall) else getattr(part, "text", "")
        return before + self._grow(event.at, words, list(getattr(part, "logprobs", ())))

    def _named(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        item = items[0] if items else {"type": "reasoning", "summary": []}
        answer_id = self._assembly.answer().id
        return item if self._is_own else named(item, answer_id, len(self._items))

    def _grow(self, at: int, text: str, logprobs: list[dict[str, Any]]) -> bytes:
        if at not in self._places or not (text or logprobs):
            return b""
        part = self._assembly.part(0, at)
        if isinstance(part, ToolCall):
            return self._at("response.function_call_arguments.delta", at, {"delta": text})
        if isinstance(part, ReasoningPart):
            return self._summary(at) + self._of_summary("text.delta", at, {"delta": text})
        if isinstance(part, TextPart) and part.is_refusal:
            return self._at("response.refusal.delta", at, {"delta": text})
        more = {"delta": text, "logprobs": logprobs}
        return self._at("response.output_text.delta", at, more)

    def _part_done(self, at: int) -> bytes:
        if at not in self._places:
            return b""
        part, index = self._assembly.part(0, at), self._places[at][0]
        if isinstance(part, TextPart):
            item = write_output([part], is_own=self._is_own)[0]
            piece = item["content"][0]
            content = self._items[index].get("content", [])
            count = self._places[at][1]
            self._items[index] = self._items[index] | {"content": [*content[:count], piece]}
            kind = "refusal" if part.is_refusal else "output_text"
            name = "refusal" if part.is_refusal else "text"
            words = self._at(f"response.{kind}.done", at, {name: part.text})
            return words + self._at("response.content_part.done", at, {"part": piece})
        own = {name: self._items[index][name] for name in ("id",) if name in self._items[index]}
        written = write_output([part], is_own=self._is_own)
        done = self._items[index] | (written[0] if written else {}) | own
        self._items[index] = done
        before = b""
        if isinstance(part, ToolCall):
            more = {"arguments": part.arguments, "name": part.name}
            before = self._at("response.function_call_arguments.done", at, more)
        if isinstance(part, ReasoningPart) and at in self._thoughts:
            whole = {"type": "summary_text", "text": part.text}
            before = self._of_summary("text.done", at, {"text": part.text})
            before += self._of_summary("part.done", at, {"part": whole})
        return before + self._item("response.output_item.done", index, done)

    def _summary(self, at: int) -> bytes:
        """That the words of a thought begin: clients fail on words that they were not told of."""
        if at in self._thoughts:
            return b""
        self._thoughts.add(at)
        return self._of_summary("part.added", at, {"part": {"type": "summary_text", "text": ""}})

    def _of_summary(self, kind: str, at: int, more: dict[str, Any]) -> bytes:
        return self._at(f"response.reasoning_summary_{kind}", at, {"summary_index": 0} | more)

    def _close_item(self) -> bytes:
        if not self._is_open:
            return b""
        self._is_open = False
        index = len(self._items) - 1
        return self._item("response.output_item.done", index, self._items[index])

    def _completed(self) -> bytes:
        answer = self._assembly.answer()
        finish = self._finish or ChoiceEnded(finish_reason="stop")
        usage = write_tokens(self._tokens, is_own=self._is_own) if self._tokens else None
        response = write_head(answer) | {"output": self._items, "usage": usage}
        response |= write_finish(finish, is_own=self._is_own)
        response |= sent(answer.extras, is_own=self._is_own) | self._beside
        kind = "incomplete" if response["status"] == "incomplete" else "completed"
        return self._event(f"response.{kind}", {"response": response})

    def _snapshot(self, kind: str) -> bytes:
        answer = self._assembly.answer()
        state: dict[str, Any] = {"status": "in_progress", "output": [], "usage": None}
        extras = sent(answer.extras, is_own=self._is_own)
        return self._event(kind, {"response": write_head(answer) | extras | state | self._beside})

    def _item(self, kind: str, index: int, item: dict[str, Any]) -> bytes:
        return self._event(kind, {"output_index": index, "item": item})

    def _at(self, kind: str, at: int, more: dict[str, Any]) -> bytes:
        index, piece = self._places[at]
        place = {"output_index": index, "item_id": self._items[index].get("id", "")}
        if "content_part" in kind or "output_text" in kind or "refusal" in kind:
            place["content_index"] = piece
        return self._event(kind, place | more)

    def _event(self, kind: str, more: dict[str, Any]) -> bytes:
        self._number += 1
        return write_event({"type": kind, "sequence_number": self._number} | more, kind)


def _empty(part: Part) -> Part:
    if isinstance(part, ToolCall):
        return part.model_copy(update={"arguments": ""})
    if isinstance(part, ReasoningPart):
        # Without its words only its item is written.
        marks = {name: value for name, value in part.extras.items() if name != "~cuts"}
        return part.model_copy(update={"text": "", "signature": None, "extras": marks})
    return part
