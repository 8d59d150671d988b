"""The manifest as records: the one definition that reading, checking and editors share.

Types and descriptions here make the JSON Schema for editors; what needs more than one value
to judge stands in `checks.py`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)

from lineside.core import Record
from lineside.usecases.document import Misread, quoted, spelled
from lineside.usecases.fields import FIELDS_SCHEMA
from lineside.usecases.fit import FitAnswers, Interface
from lineside.usecases.guards import GUARD_POINTS, GuardDeclaration
from lineside.usecases.rollouts import RolloutPlan
from lineside.usecases.rules import GateRule
from lineside.usecases.scorers import ALWAYS_SCORED, DEFAULT_SCORERS, ScorerDeclaration


def _shaped(pattern: str, expected: str, hint: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if re.fullmatch(pattern, text):
            return text
        raise Misread(quoted(text), expected, hint=hint)

    return check


def _read_effect(value: object) -> str:
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if isinstance(text, str) and re.fullmatch(r"\d{1,9}(\.\d{1,9})?\s*%?", text.strip()):
        return text.strip()
    raise Misread(
        spelled(value),
        "a number or a share",
        hint="Write `5%` for a change relative to today, or `2` in units of the measure.",
    )


def _read_scalar(value: object) -> str | float | bool:
    if isinstance(value, str | int | float):
        return value
    raise Misread(spelled(value), "one value", hint="Write a number or a word.")


UseCaseName = Annotated[
    str,
    AfterValidator(
        _shaped(
            r"[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?",
            "lower-case letters, digits and hyphens, at most 60",
            "Names look like `support-triage`.",
        )
    ),
    WithJsonSchema({"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?$"}),
]
Word = Annotated[
    str,
    AfterValidator(
        _shaped(
            r"[A-Za-z_][A-Za-z0-9_]{0,63}",
            "one word of letters, digits and underscores",
            "Words look like `hand_off_below`.",
        )
    ),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,63}$"}),
]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=400)]
Effect = Annotated[
    str, PlainValidator(_read_effect), WithJsonSchema({"type": ["string", "number"]})
]
Scalar = Annotated[
    str | float | bool,
    PlainValidator(_read_scalar),
    # Without it pydantic warns of every number, because it expects the first type of the union.
    PlainSerializer(lambda value: value),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
Rule = Annotated[
    GateRule,
    PlainValidator(GateRule.read),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["accuracy >= 0.85"]}),
]
Scorer = Annotated[
    ScorerDeclaration,
    PlainValidator(ScorerDeclaration.read),
    PlainSerializer(ScorerDeclaration.declared),
    WithJsonSchema({"type": "object", "minProperties": 1, "maxProperties": 1}),
]
Guard = Annotated[
    GuardDeclaration,
    PlainValidator(GuardDeclaration.read),
    PlainSerializer(GuardDeclaration.declared),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "examples": ["mask_pii", "matches_schema"]},
                {"type": "object", "minProperties": 1, "maxProperties": 1},
            ]
        }
    ),
]
Fields = Annotated[
    dict[str, Any], Field(min_length=1), WithJsonSchema({"type": "object", "minProperties": 1})
]


class ProblemCard(Record):
    """What hurts, whom, and what it costs today."""

    statement: Annotated[Text, Field(description="What the problem is, in one sentence.")]
    who: Annotated[Text, Field(description="Who has it, and how many they are.")]
    today: Annotated[
        Text | None, Field(description="What it costs today: time, errors, money.")
    ] = None
    evidence: Annotated[
        tuple[Text, ...], Field(description="Themes, tickets or studies that show the problem.")
    ] = ()


class ValueMeasure(Record):
    """The business measure that must move, and those that must not suffer."""

    measure: Annotated[Word, Field(description="The business measure that must move.")]
    direction: Annotated[Literal["up", "down"], Field(description="Which way is better.")]
    smallest_effect_that_matters: Annotated[
        Effect | None, Field(description="Smaller changes are not worth it: `5%` of today, or `2`.")
    ] = None
    must_not_hurt: Annotated[
        tuple[Word, ...], Field(description="Measures that must not get worse.")
    ] = ()


class Retrieval(Record):
    """How an `answer` app looks into its sources."""

    passages: Annotated[
        int, Field(ge=1, le=50, description="How many passages an answer may rest on.")
    ] = 6
    words: Annotated[
        int, Field(ge=20, le=1000, description="Longest passage that sources are cut into.")
    ] = 160
    support_min: Annotated[
        float,
        Field(ge=0, le=1, description="It abstains below; 0 leaves that to the model."),
    ] = 0.45


class AppDeclaration(Record):
    """The program that serves the use case."""

    kind: Annotated[
        Literal["predict", "answer", "agent"],
        Field(description="Typed input to typed output, answers from sources, or goal and tools."),
    ]
    input: Annotated[Fields, Field(description="Input fields, such as `message: string`.")]
    output: Annotated[Fields, Field(description="Output fields, such as `topic: {enum: [a, b]}`.")]
    model: Annotated[Text, Field(description="Provider, colon, model: `embedded:classifier`.")]
    prompt: Annotated[FilePath | None, Field(description="File with the prompt.")] = None
    options: Annotated[
        dict[str, Any],
        Field(default_factory=dict, description="For the model's provider, such as `base_url`."),
    ]
    sources: Annotated[
        tuple[FilePath, ...],
        Field(description="For `answer`: files and folders that answers are grounded in."),
    ] = ()
    retrieval: Annotated[
        Retrieval, Field(description="For `answer`: how it looks into its sources.")
    ] = Retrieval()
    goal: Annotated[Text | None, Field(description="For `agent`: when it is done.")] = None
    tools: Annotated[tuple[Word, ...], Field(description="For `agent`: what it may use.")] = ()
    boundary: Annotated[
        dict[str, Any],
        Field(
            default_factory=dict,
            description="For `agent`: what it may, must ask for, must never do.",
        ),
    ]


class Knob(Record):
    """A setting that a user or operator may turn."""

    name: Annotated[Word, Field(description="One word.")]
    kind: Annotated[
        Literal["choice", "number", "boolean"],
        Field(description="One `of` these, a range, or true and false."),
    ]
    of: Annotated[tuple[Text, ...], Field(description="For `choice`: what may be chosen.")] = ()
    min: Annotated[float | None, Field(description="For `number`: the lowest.")] = None
    max: Annotated[float | None, Field(description="For `number`: the highest.")] = None
    default: Annotated[Scalar, Field(description="Where it stands until somebody turns it.")]
    who: Annotated[Literal["user", "operator"], Field(description="Who may turn it.")] = "operator"
    description: Annotated[Text | None, Field(description="What it does, in a sentence.")] = None


class Guards(Record):
    """What is checked on every call, before effect."""

    input: Annotated[tuple[Guard, ...], Field(description="Guards on what comes in.")] = ()
    pre_model_call: Annotated[
        tuple[Guard, ...], Field(description="Guards on what a model is about to be asked.")
    ] = ()
    post_model_call: Annotated[
        tuple[Guard, ...], Field(description="Guards on what a model answered.")
    ] = ()
    output: Annotated[tuple[Guard, ...], Field(description="Guards on what goes out.")] = ()

    @property
    def by_point(self) -> dict[str, tuple[GuardDeclaration, ...]]:
        """Every guard, by where it stands, in the order in which a call passes them."""
        return {point: getattr(self, point) for point in GUARD_POINTS}


class AnswerCache(Record):
    """Answers that are given again to the same input, for some time."""

    seconds: Annotated[
        int, Field(ge=1, le=604_800, description="How long an answer is given again, in seconds.")
    ]
    semantic: Annotated[
        bool,
        Field(description="Also to a text that is only like another, whose answer may be wrong."),
    ] = False
    similarity_min: Annotated[
        float, Field(ge=0.8, le=1, description="How near two texts must be, as a cosine.")
    ] = 0.97


def text_field(input_schema: Mapping[str, Any]) -> str | None:
    """The one field of an input that is a text, if there is one and only one."""
    fields = input_schema.get("properties", {})
    texts = [name for name, told in fields.items() if told.get("type") == "string"]
    free = [name for name in texts if "enum" not in fields[name] and "format" not in fields[name]]
    return free[0] if len(free) == 1 else None


class TestPlan(Record):
    """How the app is judged, and what it must reach."""

    __test__ = False  # pytest takes every class called Test… for a test

    dataset: Annotated[FilePath, Field(description="JSONL or CSV file with the test cases.")]
    scorers: Annotated[
        tuple[Scorer, ...], Field(description="What judges an answer; else `accuracy` is `exact`.")
    ] = ()
    gate: Annotated[tuple[Rule, ...], Field(description="Rules a release must pass.")] = ()
    repetitions: Annotated[
        int, Field(ge=1, le=100, description="How often each case is asked, also for a release.")
    ] = 1


class Manifest(Record):
    """A use case and its app, as declared in `usecase.yaml`."""

    name: Annotated[UseCaseName, Field(description="Short name, such as `support-triage`.")]
    problem: Annotated[ProblemCard, Field(description="What hurts, whom, and what it costs today.")]
    value: Annotated[ValueMeasure, Field(description="The business measure that must move.")]
    risk: Annotated[
        Literal["minimal", "limited", "high"], Field(description="How much harm a mistake can do.")
    ]
    owner: Annotated[Text, Field(description="The team or person who answers for it.")]
    interface: Annotated[Interface, Field(description="Where people meet the app.")]
    kill_criterion: Annotated[
        Text | None, Field(description="What would make you stop: `under 3% after two months`.")
    ] = None
    fit: Annotated[
        FitAnswers | None, Field(description="The answers to the questions of `lineside init`.")
    ] = None
    app: Annotated[AppDeclaration, Field(description="The program that serves the use case.")]
    knobs: Annotated[tuple[Knob, ...], Field(description="Settings people may turn.")] = ()
    guards: Annotated[Guards, Field(description="What is checked on every call.")] = Guards()
    cache: Annotated[
        AnswerCache | None,
        Field(description="Answers that are given again; without it every call asks the model."),
    ] = None
    tests: Annotated[TestPlan, Field(description="How the app is judged, what it must reach.")]
    rollout: Annotated[RolloutPlan, Field(description="How a release reaches people.")] = (
        RolloutPlan()
    )

    @property
    def scorers(self) -> tuple[ScorerDeclaration, ...]:
        """Every scorer in force: those declared or else `accuracy`; latency and cost always."""
        own = self.tests.scorers or DEFAULT_SCORERS
        names = {scorer.name for scorer in own}
        return (*own, *(scorer for scorer in ALWAYS_SCORED if scorer.name not in names))

    def declared_not_enforced(self) -> list[str]:
        """Sentences on what the manifest declares and this version of lineside does not act on."""
        said = []
        if self.app.kind == "agent":
            said.append(f"`app.kind: {self.app.kind}`: can be checked and kept, not served yet")
        if self.app.boundary:
            said.append("`app.boundary`: nothing holds the agent to it yet")
        if self.problem.evidence:
            said.append("`problem.evidence`: the links are kept and not followed")
        if self.value.must_not_hurt:
            said.append("`value.must_not_hurt`: business measures are not joined to calls yet")
        if self.kill_criterion:
            said.append("`kill_criterion`: it is kept for people to act on")
        return said


def manifest_schema() -> dict[str, Any]:
    """JSON Schema of the manifest, for editors; made from the records that reading uses."""
    schema = Manifest.model_json_schema()
    definitions = {**schema.pop("$defs"), **FIELDS_SCHEMA}
    for side in ("input", "output"):
        app = definitions["AppDeclaration"]["properties"]
        app[side] = {"$ref": "#/$defs/Fields", "description": app[side]["description"]}
    schema["$defs"] = definitions
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
