"""What a guard is: it looks at one text on its way, and says whether it may go on."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lineside.core import Record
from lineside.guardrails.pseudonyms import Pseudonyms
from lineside.usecases import guards

GuardPoint = Literal[
    "agent_startup",
    "input",
    "pre_model_call",
    "post_model_call",
    "pre_tool_call",
    "post_tool_call",
    "output",
    "agent_shutdown",
]
"""Where a guard stands; the names are those of the Agent Control Specification."""

DEADLINE_MS = 500.0


@dataclass(frozen=True, slots=True)
class Passage:
    """One text that passes a point, with what a guard may need to judge it.

    Attributes:
        asked: What the caller had said, where the text is an answer to it.
        sources: What the answer must rest on.
        pseudonyms: The names this call uses instead of what a person said.
        value: The whole JSON value that the text is of, where it has a form.
    """

    text: str
    point: GuardPoint
    asked: str = ""
    sources: tuple[str, ...] = ()
    pseudonyms: Pseudonyms = field(default_factory=Pseudonyms)
    value: Any = None


@dataclass(frozen=True, slots=True)
class Caught:
    """What a guard found wrong with a text.

    Attributes:
        reason: Why, in a sentence; never with the words that were found.
        score: How sure or how much; counts from the guard's limit on.
        kinds: How many of each kind were found.
        replacement: The text as it may go on, where the guard can mend it.
        stretches: Where it stands in the text; a stream is not cut inside of one.
    """

    reason: str
    score: float = 1.0
    kinds: Mapping[str, int] = field(default_factory=dict)
    replacement: str | None = None
    stretches: tuple[tuple[int, int], ...] = ()


Check = Callable[[Passage], "Caught | Awaitable[Caught | None] | None"]


@dataclass(frozen=True, slots=True)
class Guard:
    """A check with a limit, an action and a deadline, at one point.

    Attributes:
        sees: `each` text of a message by itself, or the `whole` message as one text.
        limit: Scores below it are not caught.
        action: What happens to what is caught; `transform` needs a check that mends.
        on_error: What happens where the check fails or is late.
        hold_back: Characters of a stream it must see behind a place before it can judge it;
            nothing means that it must see the whole answer.
        literal: The one word it looks for; then only its beginning is held back, where a stream
            happens to end with one.
        hides_text: What it catches may not be kept in a trace either.
        remembers: It takes long, and says the same of the same text: what goes with every message,
            such as the description of a tool, is judged once.
        is_own: Somebody's own code: it runs where it can be left behind when it hangs.
    """

    name: str
    point: GuardPoint
    check: Check
    action: guards.GuardVerdict = "deny"
    limit: float = 0.0
    deadline_ms: float = DEADLINE_MS
    on_error: guards.GuardVerdict = "deny"
    sees: Literal["each", "whole"] = "each"
    hold_back: int | None = None
    literal: str | None = None
    hides_text: bool = False
    remembers: bool = False
    is_own: bool = False


class GuardDecision(Record):
    """What one guard said of one message.

    Attributes:
        verdict: `allow`, `warn`, `transform`, `escalate` or `deny`.
        reason: Why, in a sentence; nothing where it may pass.
        kinds: How many of each kind were found.
        is_enforced: False where the guard failed or was late, so that nothing was judged.
        error: How it failed.
        duration_ms: Of judging, in milliseconds.
    """

    guard: str
    point: GuardPoint
    verdict: guards.GuardVerdict
    reason: str | None = None
    score: float | None = None
    kinds: dict[str, int] = {}  # noqa: RUF012 # pydantic copies it
    is_enforced: bool = True
    error: str | None = None
    duration_ms: float = 0.0
