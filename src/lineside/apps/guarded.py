"""One answer on its way through an app's guards, from what came in to what goes out."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lineside.apps.wire_texts import unescaped
from lineside.core import Denied, LinesideError
from lineside.gateway import ModelReply, budgets, shorten
from lineside.guardrails import (
    GuardChain,
    GuardDecision,
    GuardedCall,
    GuardPoint,
    Provenance,
    message,
    probes,
    provenance_of,
)

_KNOBS = ("unknown_knob", "knob_not_yours", "knob_out_of_range", "knob_not_proved")

ANSWER_POINTS: tuple[GuardPoint, ...] = ("post_model_call", "output")
Ask = Callable[[Mapping[str, Any]], Awaitable[ModelReply]]


@dataclass
class GuardedAnswer:
    """One call's state, also after it was held back.

    Attributes:
        seen: What may be kept of the input: as the guards let it pass; nothing before that.
        reply: What the model said, with marks where guards put some.
        output: What the caller gets.
        is_asked: Whether the call came as far as the model.
    """

    call: GuardedCall
    seen: Any = None
    reply: ModelReply | None = None
    output: Any = None
    is_asked: bool = False

    @property
    def decisions(self) -> list[GuardDecision]:
        """What each guard said."""
        return self.call.decisions

    def is_refusal(self, error: LinesideError) -> bool:
        """Whether the call failed by what its caller sent or may, and not by its release.

        So does an input that does not fit, a knob that may not be turned so, a budget that is used
        up, and a guard that says no to the input. A guard that broke is the release's.
        """
        if self.is_asked:
            return False
        if error.code == "guard_denied":
            return bool(self.decisions) and all(one.is_enforced for one in self.decisions)
        if error.code == "input_misfit":  # else a guard changed it so that it fits no more
            return self.seen is None
        return isinstance(error, budgets.BudgetExceeded) or error.code in _KNOBS

    async def passages(self, texts: Sequence[str]) -> list[str]:
        """Texts of sources as guards before the model let them pass to it.

        Guards that judge a message as a whole do not see them: they are no words of anybody's.

        Raises:
            Denied: A guard holds one back.
        """
        judged = [message.MessageText(text, "a passage of the sources") for text in texts]
        runs = [[one] for one in judged]
        if runs:
            await self.call.message("pre_model_call", runs, is_whole=False)
        return [one.text for one in judged]


class Guarded:
    """Asks a model between an app's guards; there is no other way from an app to its model."""

    def __init__(self, chain: GuardChain, *, marks_provenance: bool) -> None:
        self._chain = chain
        self._marks_provenance = marks_provenance

    def begin(self) -> GuardedAnswer:
        """Begin one call."""
        return GuardedAnswer(self._chain.begin())

    async def run(
        self,
        answer: GuardedAnswer,
        payload: Mapping[str, Any],
        *,
        check_input: Callable[[Any], None],
        ask: Ask,
        check_output: Callable[[Any], None],
    ) -> ModelReply:
        """Take a payload through every point.

        A probe of this process's own, sent to see whether the guards of one point hold, does not
        reach the model: what it sent comes back as the answer, and a guard must stop it. One that
        probes passages gets as far as these.

        Raises:
            Denied: A guard holds the message back.
        """
        call, point = answer.call, probes.probed_point(payload)
        if point:
            call.probe()
        passed = await call.value("input", payload)
        answer.seen = passed
        passed = await call.value("pre_model_call", passed)
        answer.seen = passed
        if point is None:
            check_input(passed)
        try:
            is_echoed = point and not probes.passage_word(passed)
            reply = _echo(passed) if is_echoed else await ask(passed)
        except LinesideError as error:
            error.message += await _quoted(call, error.quotes)
            error.args = (error.message,)
            raise
        answer.reply = reply
        output = await call.value("post_model_call", reply.output)
        output = await call.value("output", output)
        answer.reply = replace(reply, output=output)
        if not point:
            check_output(output)
        answer.output = call.reveal(output)
        return replace(reply, output=answer.output)

    def provenance(
        self, answer: GuardedAnswer, *, release: str, trace_id: str
    ) -> Provenance | None:
        """The machine-readable mark of an answer, where the manifest asks for one."""
        if not self._marks_provenance or answer.reply is None:
            return None
        return provenance_of(
            answer.output, model=answer.reply.model, release=release, trace_id=trace_id
        )


async def _quoted(call: GuardedCall, quotes: Sequence[str]) -> str:
    """What may be said of an answer that nobody gets: as guards let it pass, or that they did not.

    Each is judged whole, before it is cut: half of an address is no address to any guard.
    """
    if not quotes:
        return ""
    runs = [[message.MessageText(unescaped(text))] for text in quotes]
    try:
        for point in ANSWER_POINTS:
            await call.message(point, runs, is_whole=False)
    except Denied:
        return "; guards hold back what it says"
    return "".join(f": {shorten(run[0].text)}" for run in runs)


def _echo(payload: Any) -> ModelReply:
    return ModelReply(output=dict(payload), model=probes.PROBE, cost_usd=0.0)
