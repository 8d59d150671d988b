"""One answer on its way through an app's guards, from what came in to what goes out."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lineside.gateway import ModelReply
from lineside.guardrails import (
    GuardChain,
    GuardDecision,
    GuardedCall,
    Provenance,
    probes,
    provenance_of,
)

Ask = Callable[[Mapping[str, Any]], Awaitable[ModelReply]]


@dataclass
class GuardedAnswer:
    """One call's state, also after it was held back.

    Attributes:
        seen: What may be kept of the input: as the guards let it pass; nothing before that.
        reply: What the model said, with marks where guards put some.
        output: What the caller gets.
    """

    call: GuardedCall
    seen: Any = None
    reply: ModelReply | None = None
    output: Any = None

    @property
    def decisions(self) -> list[GuardDecision]:
        """What each guard said."""
        return self.call.decisions


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
        reach the model: what it sent comes back as the answer, and a guard must stop it.

        Raises:
            Denied: A guard holds the message back.
        """
        call = answer.call
        passed = await call.value("input", payload)
        answer.seen = passed
        passed = await call.value("pre_model_call", passed)
        answer.seen = passed
        point = probes.probed_point(payload)
        if point is None:
            check_input(passed)
        reply = _echo(passed) if point else await ask(passed)
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


def _echo(payload: Any) -> ModelReply:
    return ModelReply(output=dict(payload), model=probes.PROBE, cost_usd=0.0)
