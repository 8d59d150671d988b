"""How a run is to be done: what it asks, within which limits, and what it has taken so far."""

from typing import Literal

from pydantic import Field

from lineside.core import Invalid, Record

CONCURRENCY_MAX = 1_000

TargetKind = Literal["release", "python", "http", "traces", "outputs"]


class RunTarget(Record):
    """What a run asks.

    Attributes:
        reference: What the kind needs to open it: `module:function`, an address, or the digest of a
            file of outputs.
        options: More of that, such as the folder that the module lies in.
        is_fixed: Whether the run's subject names all that answers depend on. Only then may answers
            of an earlier run stand in for new ones.
    """

    kind: TargetKind = "release"
    reference: str = ""
    options: dict[str, str] = Field(default_factory=dict)
    is_fixed: bool = True

    @property
    def answers(self) -> int | None:
        """How many answers of each case are on file; nothing where it can be asked at will."""
        if self.kind not in ("traces", "outputs"):
            return None
        return int(self.options.get("answers", 1))

    @property
    def repetitions(self) -> int:
        """How often each case is judged where nobody says: as often as there are answers."""
        return self.answers or 1

    def require_answers(self, repetitions: int) -> None:
        """Refuse to judge the same recorded answer several times as if it were several.

        Raises:
            Invalid: `too_few_answers`.
        """
        if self.answers is not None and repetitions > self.answers:
            held = "one answer" if self.answers == 1 else f"{self.answers} answers"
            what = "Recorded traces hold" if self.kind == "traces" else "The file holds"
            raise Invalid(
                "too_few_answers",
                f"{what} {held} of each case, and {repetitions} are to be judged",
                hint="Leave `--repetitions` out, or judge what can be asked again: a release, a "
                "function, an endpoint, or a file with so many answers of each case.",
            )


class RunLimits(Record):
    """What a run may take, its judges included; nothing means no limit.

    Answers and verdicts that an earlier run paid for cost nothing here.

    Attributes:
        seconds_max: Of work; the time between a kill and going on does not count.
        tokens_max: Read and written together.
        concurrency_max: Cases asked at once; else the setting `LINESIDE_RUN_CONCURRENCY`.
    """

    cost_usd_max: float | None = None
    seconds_max: float | None = None
    tokens_max: int | None = None
    concurrency_max: int | None = None

    def check(self) -> None:
        """Refuse limits under which nothing could be asked.

        Raises:
            Invalid: `bad_limit`.
        """
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise Invalid("bad_limit", f"`{name}` is {value:g}, expected more than 0")
        if (self.concurrency_max or 1) > CONCURRENCY_MAX:
            raise Invalid(
                "bad_limit",
                f"`concurrency_max` is {self.concurrency_max:,}, at most {CONCURRENCY_MAX:,}",
            )


class RunPlan(Record):
    """How a run is to be done, kept with it so that another process can go on.

    Attributes:
        recalls: Whether answers of earlier runs may stand in for new ones.
        rules: Gate rules that are looked at on the way, as in a manifest.
        baseline_run_id: What those rules compare with.
        held_out: Marks of the parts that are held out and were open, of which it asks cases; filled
            in when it starts.
        stops_early: End as soon as those rules are settled. Without it a look only informs: the run
            goes on to its end, and is then judged as if nobody had looked.
    """

    target: RunTarget = RunTarget()
    limits: RunLimits = RunLimits()
    recalls: bool = True
    rules: list[str] = Field(default_factory=list)
    baseline_run_id: str | None = None
    stops_early: bool = False
    held_out: list[str] = Field(default_factory=list)


class JudgesSpent(Record):
    """What the models that judge have taken; verdicts of earlier runs cost nothing here.

    Attributes:
        answers: Answers that they were asked about.
        cost_usd: Of calls whose cost is known.
        cost_unknown: Verdicts whose cost nobody knows.
        tokens: Read and written, where counted.
    """

    answers: int = 0
    calls: int = 0
    cost_usd: float = 0.0
    cost_unknown: int = 0
    tokens: int = 0


class Unscored(Record):
    """How often a scorer failed on an answer, and what one of these failures said."""

    answers: int
    message: str

    @property
    def in_words(self) -> str:
        """For whoever reads a verdict that lacks these scores."""
        count = "1 answer" if self.answers == 1 else f"{self.answers:,} answers"
        return f"the scorer failed on {count}: {self.message}"


class RunSpent(Record):
    """What a run has taken so far.

    Attributes:
        cost_usd: Of new answers whose cost is known; what judges cost is in `judges`.
        cost_unknown: New answers whose cost nobody knows.
        tokens: Read and written by new answers, where counted.
        recalled: Cases whose answer an earlier run had paid for.
        rate_limited: How often a model said that it is asked too much (429).
        concurrency: Cases that may be asked at once just now; falls and rises with the above.
        right: Answers that the main score calls right; one without it is neither.
        wrong: Answers whose main score is below 1.
        unscored: Scores that a scorer should have given and did not, by its name.
    """

    cost_usd: float = 0.0
    cost_unknown: int = 0
    tokens: int = 0
    seconds: float = 0.0
    recalled: int = 0
    rate_limited: int = 0
    concurrency: int | None = None
    right: int = 0
    wrong: int = 0
    judges: JudgesSpent = JudgesSpent()
    unscored: dict[str, Unscored] = Field(default_factory=dict)

    @property
    def total_usd(self) -> float | None:
        """Of answers and judges together; nothing where the cost of one is unknown."""
        if self.cost_unknown or self.judges.cost_unknown:
            return None
        return self.cost_usd + self.judges.cost_usd


class RunLook(Record):
    """What the rules said at one look on the way.

    Attributes:
        fraction: Cases judged by then, as a part of all.
        confidence: Level at which each interval of this look was made, so that all looks together
            are wrong as rarely as one look at 95 % would be.
    """

    cases: int
    fraction: float
    confidence: float
    decision: Literal["ship", "hold", "more"]
    sentence: str
