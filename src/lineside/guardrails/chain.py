"""The guards of one app, and one call's way through them."""

from collections.abc import Iterable, Sequence
from typing import Any

from lineside.core import Denied, Record
from lineside.guardrails.guard import Caught, Guard, GuardDecision, GuardPoint, Passage
from lineside.guardrails.judging import judge, together
from lineside.guardrails.message import TextRun, pass_runs
from lineside.guardrails.personal import PERSONAL_KINDS
from lineside.guardrails.probes import PROBE, silenced
from lineside.guardrails.pseudonyms import Pseudonyms
from lineside.guardrails.streams import GuardedStream
from lineside.guardrails.values import changed, put_back, texts_of
from lineside.traces import privacy


class GuardChain:
    """Guards in the order in which they judge; one chain serves many calls at once."""

    def __init__(self, guards: Sequence[Guard] = ()) -> None:
        self.guards = tuple(guards)

    def at(self, point: GuardPoint) -> tuple[Guard, ...]:
        """The guards that stand at a point."""
        return tuple(guard for guard in self.guards if guard.point == point)

    def kind_in(self, text: str) -> str | None:
        """What guards of the input see in an id that they would not let pass in clear, if anything.

        Presidio takes too long for every id; where it stands, the own patterns look in its place.
        """
        for guard in (*self.at("input"), *self.at("pre_model_call")):
            if not guard.hides_text or guard.action not in ("transform", "deny"):
                continue
            if guard.is_own:
                found = privacy.found_in(text, PERSONAL_KINDS)
                kind = found[0][2] if found else None
            else:
                kind, caught = None, guard.check(Passage(text, guard.point))
                if isinstance(caught, Caught) and caught.score >= guard.limit:
                    kind = next(iter(caught.kinds), None)
            if kind is not None:
                return kind
        return None

    def begin(self, *, sources: Iterable[str] = ()) -> "GuardedCall":
        """Begin one call's way."""
        return GuardedCall(self, sources=tuple(sources))


class GuardedCall:
    """One call on its way: its texts pass point after point, and each decision is kept.

    Attributes:
        decisions: What every guard said, in order.
        pseudonyms: What stands for what a person said, in this call only.
        is_hidden: Something was held back that may not be kept in a trace either.
    """

    def __init__(self, chain: GuardChain, *, sources: tuple[str, ...] = ()) -> None:
        self.chain = chain
        self.decisions: list[GuardDecision] = []
        self.pseudonyms = Pseudonyms()
        self.is_hidden = False
        self._sources = sources
        self._asked = ""

    def probe(self) -> None:
        """Let a probe pass all guards but those it is for.

        What others say of its words proves nothing, and a no of theirs would keep it from the point
        that it is sent to. They stay where they stand, so that a stream is cut as for any call.
        """
        self.chain = GuardChain([silenced(guard) for guard in self.chain.guards])

    async def texts(
        self,
        point: GuardPoint,
        texts: Sequence[str],
        *,
        value: Any = None,
        is_whole: bool = True,
    ) -> list[str]:
        """The texts as they may go on.

        Args:
            value: The JSON value they are of, for guards that judge its form.
            is_whole: They are all of a message; else guards that see one as a whole do not see it.

        Raises:
            Denied: `guard_denied`, a guard holds the message back; or it failed or was late, and
                then the message says that it was not enforced.
        """
        passing = list(texts)
        for guard in self.chain.at(point):
            if guard.sees == "each":
                passing = await self._each(guard, passing)
            elif is_whole:
                passing = await self._whole(guard, passing, value)
        if point == "input":
            self._asked = "\n".join(passing)
        return passing

    async def message(
        self, point: GuardPoint, runs: Sequence[TextRun], *, is_whole: bool = True
    ) -> None:
        """Let a message with all that goes with it pass; its texts change as guards mend them.

        Args:
            is_whole: It is all of the message; else guards that see one as a whole do not see it.

        Raises:
            Denied: As `texts`; also where a guard would mend what nothing can take the place of.
        """
        said = [one for run in runs for one in run if one.is_said]
        for guard in self.chain.at(point):
            if guard.sees == "each":
                self.keep(guard, await pass_runs(guard, runs, self), joins=not is_whole)
                continue
            if not is_whole:
                continue
            texts = await self._whole(guard, [one.text for one in said], None)
            for one, text in zip(said, texts, strict=False):
                one.text = text
        if point == "input":
            self._asked = "\n".join([one.text for one in said])

    async def follow(self, points: Iterable[GuardPoint], before: str, text: str) -> None:
        """Judge how a text goes on from one that passed before something else came between.

        Some callers get both in one piece. What was said cannot be taken back, so that a guard that
        would mend it says no.

        Raises:
            Denied: As `texts`.
        """
        for guard in [one for point in points for one in self.chain.at(point)]:
            if guard.sees != "each":
                continue
            decision, caught = await judge(guard, self.passage(before + text, guard.point))
            stretches = caught.stretches if caught is not None else ()
            if any(start < len(before) < stop for start, stop in stretches):
                verdict = "deny" if decision.verdict == "transform" else decision.verdict
                reason = f"{decision.reason}, which begins in words that were said before"
                decision = decision.model_copy(update={"verdict": verdict, "reason": reason})
            elif decision.is_enforced:
                continue
            self.keep(guard, decision, joins=True)

    async def value(self, point: GuardPoint, value: Any) -> Any:
        """A JSON value whose texts passed; long numbers count as texts.

        Raises:
            Denied: As `texts`; also where it nests too deeply to be looked through.
        """
        if not self.chain.at(point):
            return value
        found = texts_of(value)
        return put_back(value, await self.texts(point, found, value=value))

    def stream(self, *points: GuardPoint, is_part: bool = False, after: str = "") -> GuardedStream:
        """A stream of text that passes these points piece by piece; see `GuardedStream`."""
        return GuardedStream(self, points, is_part=is_part, after=after)

    def reveal(self, value: Any) -> Any:
        """A value with what its marks stand for, for the person who said it."""
        if not self.pseudonyms:
            return value
        return changed(value, self.pseudonyms.reveal)

    def conceal(self, value: Any) -> Any:
        """A value with marks again, as a trace may keep it."""
        return changed(value, self.pseudonyms.conceal) if self.pseudonyms else value

    @property
    def escalation(self) -> str | None:
        """Why a person must decide, where a guard says so."""
        for one in self.decisions:
            if one.verdict == "escalate":
                return f"the guard `{one.guard}` says so: {one.reason}"
        return None

    def passage(self, text: str, point: GuardPoint, value: Any = None) -> Passage:
        """A text as this call's guards get it."""
        return Passage(text, point, self._asked, self._sources, self.pseudonyms, value)

    def keep(self, guard: Guard, decision: GuardDecision, *, joins: bool = False) -> None:
        """Keep a decision, and end the call where it is a no.

        Args:
            joins: It is on one more piece of a message; then one decision stands for all of them.
        """
        said = [at for at, one in enumerate(self.decisions) if joins and _is_same(one, decision)]
        if said:
            self.decisions[said[0]] = together(self.decisions[said[0]], decision)
        else:
            self.decisions.append(decision)
        if decision.verdict == "deny":
            self.is_hidden = self.is_hidden or guard.hides_text
            raise held_back(decision)

    async def _whole(self, guard: Guard, texts: list[str], value: Any) -> list[str]:
        joined = texts[0] if len(texts) == 1 else "\n".join(texts)
        decision, caught = await judge(guard, self.passage(joined, guard.point, value))
        if decision.verdict == "transform" and len(texts) != 1:
            decision = decision.model_copy(update={"verdict": "deny"})
        self.keep(guard, decision)
        if decision.verdict == "transform" and caught is not None:
            return [caught.replacement or ""]
        return texts

    async def _each(self, guard: Guard, texts: list[str]) -> list[str]:
        passed, said = [], None
        for text in texts:
            decision, caught = await judge(guard, self.passage(text, guard.point))
            said = decision if said is None else together(said, decision)
            if decision.verdict == "deny":
                break
            is_mended = decision.verdict == "transform" and caught is not None
            passed.append(caught.replacement or "" if is_mended and caught else text)
        if said is not None:
            self.keep(guard, said)
        return passed


def _is_same(one: GuardDecision, other: GuardDecision) -> bool:
    return (one.guard, one.point) == (other.guard, other.point)


_SAID_OF = {
    "input": "the input",
    "pre_model_call": "what the model was to be asked",
    "post_model_call": "the model's answer",
    "output": "the answer",
}


class HeldBack(Denied):
    """A guard said no.

    Attributes:
        was_judged: False where it could not judge, and says no for that reason.
    """

    was_judged = True


def held_back(decision: GuardDecision) -> HeldBack:
    """The error a caller gets where a guard says no."""
    what = _SAID_OF.get(decision.point, "the message")
    hint = "Nothing was judged, so nothing passed; see the guard in the trace."
    if decision.is_enforced:
        hint = "Change what it names, or ask the owner of the use case about the guard."
    error = HeldBack(
        "guard_denied",
        f"The guard `{decision.guard}` held back {what}: {decision.reason}",
        hint=hint,
    )
    error.was_judged = decision.is_enforced
    return error


class Tried(Record):
    """What guards say of a text.

    Attributes:
        text: As it may go on; nothing where it is held back.
        why: Why it is held back.
    """

    point: GuardPoint
    text: str | None
    why: str | None = None
    decisions: list[GuardDecision]


async def try_guards(chain: GuardChain, point: GuardPoint, text: str) -> Tried:
    """Let the guards of one point look at a text; nothing is served and nothing kept."""
    call = chain.begin()
    passed, why = None, None
    try:
        [passed] = await call.texts(point, [text])
    except Denied as denied:
        why = denied.message
    said = [one for one in call.decisions if one.guard != PROBE]
    return Tried(point=point, text=passed, why=why, decisions=said)
