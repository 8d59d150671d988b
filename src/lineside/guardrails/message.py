"""A message on its way past one guard: what people said, and everything that goes with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

from lineside.guardrails.guard import Caught, Check, Guard, GuardDecision
from lineside.guardrails.judging import is_graver, judge, together

if TYPE_CHECKING:
    from lineside.guardrails.chain import GuardedCall

_CLEAN_MAX = 10_000
_clean: WeakKeyDictionary[Check, dict[bytes, None]] = WeakKeyDictionary()
"""Digests of what guards that remember let pass, the oldest first."""
# More blanks than any pattern that comes with lineside reaches over.
_APART = "\n" * 8


@dataclass(slots=True)
class MessageText:
    """One text of a message; it changes as guards mend it.

    Attributes:
        place: Where it stands, in words, for the reason of a no.
        may: Whether a guard may put something in its place: always (`change`), only what is turned
            back in the answer (`come_back`), since the answer has to name it, or never (`stay`),
            since nothing else would do there.
        label: Name of its field, judged with it where the name tells what it is: `password: `.
        is_said: Words of the conversation. Guards that see a message as a whole see only these.
    """

    text: str
    place: str = ""
    may: Literal["change", "come_back", "stay"] = "change"
    label: str = ""
    is_said: bool = False


TextRun = Sequence[MessageText]
"""Texts that follow each other without anything between, so that whoever reads them reads one."""


async def pass_runs(guard: Guard, runs: Sequence[TextRun], call: "GuardedCall") -> GuardDecision:
    """Let a guard that looks at each text judge all of them, and mend them in place.

    What goes with a message is judged in one piece first: there is much of it, the same in every
    call, and hardly ever anything to find.
    """
    said = [run for run in runs if run[0].is_said]
    beside = [run for run in runs if not run[0].is_said]
    if not beside:
        return await _each(guard, said, call)
    decision = await _each(guard, said, call) if said else None
    if decision is not None and decision.verdict == "deny":
        return decision
    other = await _together(guard, beside, call)
    return other if decision is None else together(decision, other)


async def _together(guard: Guard, runs: list[TextRun], call: "GuardedCall") -> GuardDecision:
    if guard.remembers:
        return await _remembered(guard, runs, call)
    pieces = [one.label + one.text for run in runs for one in run]
    pieces += ["".join([one.text for one in run]) for run in runs if len(run) > 1]
    decision, caught = await judge(guard, call.passage(_APART.join(pieces), guard.point))
    if caught is None:
        return decision
    return await _each(guard, runs, call)


async def _remembered(guard: Guard, runs: list[TextRun], call: "GuardedCall") -> GuardDecision:
    clean = _clean.setdefault(guard.check, {})
    said = GuardDecision(guard=guard.name, point=guard.point, verdict="allow")
    for run in runs:
        text = "\0".join([one.label + one.text for one in run])
        digest = blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
        if digest in clean:
            continue
        decision = await _each(guard, [run], call)
        said = together(said, decision)
        if said.verdict == "deny":
            break
        if decision.verdict == "allow" and decision.is_enforced:
            clean[digest] = None
            if len(clean) > _CLEAN_MAX:
                del clean[next(iter(clean))]
    return said


async def _each(guard: Guard, runs: list[TextRun], call: "GuardedCall") -> GuardDecision:
    said: GuardDecision | None = None
    for run in runs:
        for one in run:
            decision, caught = await judge(guard, call.passage(one.label + one.text, guard.point))
            decision = _mended(one, decision, caught, call)
            said = decision if said is None else together(said, decision)
            if said.verdict == "deny":
                return said
        if len(run) > 1 and said is not None:
            said = await _across(guard, run, call, said)
            if said.verdict == "deny":
                return said
    return said or GuardDecision(guard=guard.name, point=guard.point, verdict="allow")


async def _across(
    guard: Guard, run: TextRun, call: "GuardedCall", said: GuardDecision
) -> GuardDecision:
    """What only shows where texts that follow each other are read as one."""
    joined = "".join([one.text for one in run])
    decision, caught = await judge(guard, call.passage(joined, guard.point))
    if decision.verdict == "transform" and caught is not None:
        for one, text in zip(run, _spread(run, joined, caught.replacement or ""), strict=True):
            one.text = text
        return together(said, decision)
    return together(said, decision) if is_graver(decision, said) else said


def _mended(
    one: MessageText, decision: GuardDecision, caught: Caught | None, call: "GuardedCall"
) -> GuardDecision:
    if caught is None:
        return decision
    where = f", in {one.place}" if one.place else ""
    if decision.verdict == "transform":
        new, reveal = caught.replacement or "", call.pseudonyms.reveal
        fits = new.startswith(one.label) and one.may != "stay"
        new = new[len(one.label) :]
        if fits and (one.may == "change" or reveal(new) == reveal(one.text)):
            one.text = new
            return decision
        where += ", where nothing can take its place"
        decision = decision.model_copy(update={"verdict": "deny"})
    return decision.model_copy(update={"reason": f"{decision.reason}{where}"})


def _spread(run: TextRun, joined: str, new: str) -> list[str]:
    """The new text, cut where its parts met; none becomes empty where there are signs enough.

    What changed goes into the part in which it begins. A part with nothing else left keeps one
    sign of it, since an empty one is refused by some models' wires.
    """
    shorter = min(len(joined), len(new))
    head = next((at for at in range(shorter) if joined[at] != new[at]), shorter)
    tail = 0
    while tail < shorter - head and joined[-1 - tail] == new[-1 - tail]:
        tail += 1
    ends, end = [], 0
    for one in run[:-1]:
        end += len(one.text)
        ends.append(end)
    inside = [end for end in ends if head < end < len(joined) - tail]
    is_even = len(joined) - tail in (*ends, len(joined))
    kept = len(inside) if is_even else len(inside) - 1
    pieces, begun = [], 0
    for end in ends:
        if end <= head:
            cut = end
        elif end >= len(joined) - tail:
            cut = end + len(new) - len(joined)
        else:
            cut = len(new) - tail - kept
            kept -= 1
        cut = max(begun, cut)
        pieces.append(new[begun:cut])
        begun = cut
    return [*pieces, new[begun:]]
