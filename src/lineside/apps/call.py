"""A live call, and what the caller gets."""

from typing import Annotated, Any

from pydantic import Field, StrictBool, StrictFloat, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from lineside.core import Record
from lineside.guardrails import GuardDecision, Provenance

AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
SaidValue = Annotated[str, StringConstraints(max_length=512)] | StrictBool | StrictFloat
AttributeValue = Annotated[str, StringConstraints(max_length=200)] | StrictBool | StrictFloat


class Call(Record):
    """One live call.

    Attributes:
        input: As the app's input schema asks.
        knobs: Settings of this call; only a user's knobs, at values there is evidence for.
        session: Ties calls of one conversation or visit together; keeps the caller in one arm.
        user: Who is served, in the caller's own terms; used for the arm when there is no session.
        attributes: What is known of who is served, such as `country`, for rollouts to an audience;
            of it only whether they are in the audience is kept.
        metadata: What else is to be known of the call, such as a ticket; kept with its trace, and
            found there by `attribute.metadata.NAME`.
    """

    input: Any
    knobs: dict[str, Any] = {}  # noqa: RUF012 # pydantic copies it
    session: str | None = None
    user: str | None = None
    attributes: dict[AttributeName, AttributeValue] = Field(default_factory=dict, max_length=20)
    metadata: dict[AttributeName, SaidValue] = Field(default_factory=dict, max_length=16)


class CallAnswer(Record):
    """What the caller gets.

    Attributes:
        output: Fits the app's output schema.
        confidence: Calibrated probability that the output is right, or nothing.
        hand_off: The answer is a suggestion for a person to decide on, not to act upon.
        hand_off_reason: Why, in a sentence.
        knobs: Every knob with the value that counted.
        trace_id: Names this call for feedback and for finding it again.
        release: What answered, such as `v2`, with its id and its arm.
        latency_ms: Inside lineside, in milliseconds; `model_ms` of it the model took.
        tokens_in: Read by the model, nothing where it does not count; `tokens_out` written.
        kept_live: Knobs at a value that a canary or a variant has no evidence for: for their sake
            the live release answered, outside of the rollout's arms.
        guards: What each guard said on the way, in order.
        provenance: Says to programs that AI made the answer, where the manifest asks for it.
        provider: Whose model answered and `why`, where a route decided it; headers say both.
        cache: Whether it was given before, for headers and trace; empty where that is not asked.
        seen: What may be kept of the input, as guards let it pass; `said` of the output, with their
            marks. Nothing of the input where it must not be kept.
    """

    output: dict[str, Any]
    confidence: float | None
    hand_off: bool
    hand_off_reason: str | None
    knobs: dict[str, Any]
    trace_id: str
    release: str
    release_id: str
    arm: str
    latency_ms: float
    model_ms: float = 0
    tokens_in: int | None = None
    tokens_out: int | None = None
    kept_live: list[str] = []  # noqa: RUF012 # pydantic copies it
    guards: list[GuardDecision] = []  # noqa: RUF012 # pydantic copies it
    provenance: Provenance | None = None
    provider: SkipJsonSchema[str | None] = Field(None, exclude=True)
    why: SkipJsonSchema[list[str]] = Field(default_factory=list, exclude=True)
    cache: SkipJsonSchema[dict[str, Any]] = Field(default_factory=dict, exclude=True)
    seen: SkipJsonSchema[Any] = Field(None, exclude=True)
    said: SkipJsonSchema[Any] = Field(None, exclude=True)
