"""The sentences of a manifest that decide: gate rules, and rules that stop a rollout.

accuracy >= 0.85                    the mean of a score; `85%` is the same
p95(latency_ms) <= 800              a percentile of it; `latency_ms p95 <= 800` is the same
not worse than live by 0.01         paired with the live release; `on polite` for another score
slice gap(channel) <= 0.05          between the best and the worst slice; `on polite` as above
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lineside.core import Invalid, did_you_mean
from lineside.usecases.document import Misread, quoted
from lineside.usecases.scorers import ScorerDeclaration

RULE_LENGTH_MAX = 200
PERCENTILES = ("p50", "p90", "p95", "p99")
_MAIN_SCORE = "accuracy"
_SHAPES = (
    "`accuracy >= 0.85`, `p95(latency_ms) <= 800`, `not worse than live by 0.01` "
    "or `slice gap(channel) <= 0.05`"
)
_TOKEN = re.compile(
    r"(?P<number>-?(?:\d+(?:\.\d*)?|\.\d+))(?P<percent>\s*%)?(?![\w.])"
    r"|(?P<word>[^\W\d]\w*)|(?P<sign>>=|<=|≥|≤|==|[<>=()])|(?P<other>\S)"
)
_COMPARATORS: dict[str, Literal[">=", "<="]] = {">=": ">=", "≥": ">=", "<=": "<=", "≤": "<="}

_STOP_COMPARATORS: dict[str, Literal[">", ">=", "<", "<="]] = {">": ">", "<": "<", **_COMPARATORS}


@dataclass(frozen=True)
class GateRule:
    """One condition for permission to release.

    Attributes:
        kind: `threshold` holds a score against a number, `non_inferiority` holds the candidate
            against the live release, `slice_gap` holds slices against each other.
        score: Name of the score it is about.
        statistic: Of the score over all cases: `mean`, `p50`, `p90`, `p95` or `p99`.
        comparator: On which side of the threshold the statistic must lie.
        threshold: For `threshold` and `slice_gap`, in units of the score; `85%` is 0.85.
        margin: For `non_inferiority`: how much worse is still not worse, in units of the score.
        slice: For `slice_gap`: the slice field of the dataset.
        text: The rule as it was written.
    """

    kind: Literal["threshold", "non_inferiority", "slice_gap"]
    text: str
    score: str = _MAIN_SCORE
    statistic: Literal["mean", "p50", "p90", "p95", "p99"] = "mean"
    comparator: Literal[">=", "<="] = ">="
    threshold: float | None = None
    margin: float | None = None
    slice: str | None = None

    @staticmethod
    def read(text: object) -> "GateRule":
        """Read a rule; raises `Misread`."""
        return _Sentence(text, shapes=_SHAPES).gate_rule()

    def misfit(self, kinds: Mapping[str, str]) -> Misread | None:
        """What this rule asks of scores that they cannot give; nothing where it fits.

        Args:
            kinds: Name of each score that is measured, and the kind of its scorer.
        """
        if self.score not in kinds:
            near = did_you_mean(self.score, kinds)
            known = ", ".join(f"`{name}`" for name in kinds)
            return Misread(
                f"the score {quoted(self.score)} in {quoted(self.text)}",
                f"a score that is measured: {known}",
                hint=f"Did you mean `{near}`?" if near else "Declare it in `tests.scorers`.",
                code="bad_gate_rule",
            )
        limit = self.margin if self.margin is not None else self.threshold
        kind = ScorerDeclaration.kind_of(kinds[self.score])
        if kind is None or not kind.is_share or limit is None or 0 <= limit <= 1:
            return None
        return Misread(
            quoted(self.text),
            f"a number from 0 to 1, since `{self.score}` is a share",
            hint=f"Did you mean `{limit:g}%`?" if 1 < limit <= 100 else "Write `85%`.",
            code="bad_gate_rule",
        )

    def require_fit(self, kinds: Mapping[str, str]) -> None:
        """Go on only if scores of these kinds can answer this rule.

        Raises:
            Invalid: `bad_gate_rule` says what was read and expected.
        """
        wrong = self.misfit(kinds)
        if wrong is not None:
            message = f"A rule cannot be judged: read {wrong.read}, expected {wrong.expected}"
            raise Invalid(wrong.code, message, hint=wrong.hint)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class StopRule:
    """A condition on live traffic under which a rollout is to stop, such as `error_rate > 2%`."""

    measure: str
    comparator: Literal[">", ">=", "<", "<="]
    threshold: float
    text: str

    @staticmethod
    def read(text: object) -> "StopRule":
        """Read a rule; raises `Misread`."""
        return _Sentence(text, shapes="`error_rate > 2%` or `latency_p95_ms > 800`").stop_rule()

    def __str__(self) -> str:
        return self.text


def parse_rule(text: str) -> GateRule:
    """Read one gate rule.

    Raises:
        Invalid: It is not one; says which word was read and which was expected.
    """
    try:
        return GateRule.read(text)
    except Misread as wrong:
        raise Invalid(
            "bad_gate_rule",
            f"In the rule {quoted(text)}: read {wrong.read}, expected {wrong.expected}",
            hint=wrong.hint,
        ) from None


class _Sentence:
    """A rule, read word by word from the left."""

    def __init__(self, text: object, *, shapes: str) -> None:
        self._hint = f"A rule looks like {shapes}."
        if not isinstance(text, str) or not text.strip() or len(text) > RULE_LENGTH_MAX:
            read = quoted(text) if isinstance(text, str) else "no text"
            raise Misread(
                read,
                f"a rule of at most {RULE_LENGTH_MAX} characters",
                hint=self._hint,
                code="bad_gate_rule",
            )
        self._text = text.strip()
        self._tokens = list(_TOKEN.finditer(self._text))
        self._at = 0

    def gate_rule(self) -> GateRule:
        first = self._peek().casefold()
        following = self._peek(1).casefold()
        if first == "not" or following == "worse":
            rule = self._not_worse()
        elif first == "slice" or following == "gap":
            rule = self._slice_gap()
        else:
            rule = self._threshold()
        if self._at < len(self._tokens):
            raise self._misread("the end of the rule")
        return rule

    def stop_rule(self) -> StopRule:
        measure = self._name("the name of a measure")
        comparator = _STOP_COMPARATORS.get(self._peek())
        if comparator is None:
            raise self._misread("`>` or `<`")
        self._at += 1
        threshold = self._number()
        if self._at < len(self._tokens):
            raise self._misread("the end of the rule")
        return StopRule(measure, comparator, threshold, self._text)

    def _threshold(self) -> GateRule:
        score = self._name("the name of a score")
        statistic = "mean"
        if self._peek() == "(":
            statistic = self._statistic(score)
            self._at += 1
            score = self._name("the name of a score")
            self._word(")")
        elif re.match(r"[^\W\d]", self._peek()):
            statistic = self._statistic(self._peek())
            self._at += 1
        return GateRule(
            kind="threshold",
            text=self._text,
            score=score,
            statistic=statistic,  # type: ignore[arg-type] # checked by _statistic
            comparator=self._comparator(),
            threshold=self._number(),
        )

    def _not_worse(self) -> GateRule:
        for word in ("not", "worse", "than", "live", "by"):
            self._word(word)
        margin = self._number()
        if margin <= 0:
            self._at -= 1
            raise self._misread("a margin above 0, such as `0.01`")
        return GateRule(kind="non_inferiority", text=self._text, margin=margin, score=self._on())

    def _slice_gap(self) -> GateRule:
        for word in ("slice", "gap", "("):
            self._word(word)
        field = self._name("a slice field of the dataset")
        self._word(")")
        if self._comparator() != "<=":
            self._at -= 1
            raise self._misread("`<=`, since a gap should be small")
        threshold = self._number()
        return GateRule(
            kind="slice_gap",
            text=self._text,
            slice=field,
            comparator="<=",
            threshold=threshold,
            score=self._on(),
        )

    def _on(self) -> str:
        if self._at == len(self._tokens):
            return _MAIN_SCORE
        self._word("on")
        return self._name("the name of a score")

    def _statistic(self, word: str) -> str:
        choices = (*PERCENTILES, "mean")
        if word.casefold() not in choices:
            self._at = next(at for at, token in enumerate(self._tokens) if token.group() == word)
            raise self._misread(f"a percentile ({', '.join(choices)}) or `>=`", choices=choices)
        return word.casefold()

    def _comparator(self) -> Literal[">=", "<="]:
        sign = self._peek()
        if sign not in _COMPARATORS:
            meant = ">=" if sign == ">" else "<=" if sign == "<" else None
            raise self._misread("`>=` or `<=`", meant=meant)
        self._at += 1
        return _COMPARATORS[sign]

    def _number(self) -> float:
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        if token is None or token["number"] is None:
            raise self._misread("a number, such as `0.85` or `85%`")
        self._at += 1
        # Divided, not multiplied: 85 / 100 is 0.85 exactly as written, 85 * 0.01 is not.
        return float(token["number"]) / (100 if token["percent"] else 1)

    def _word(self, word: str) -> None:
        if self._peek().casefold() != word:
            raise self._misread(f"`{word}`", choices=(word,))
        self._at += 1

    def _name(self, expected: str) -> str:
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        if token is None or token["word"] is None:
            raise self._misread(expected)
        self._at += 1
        return token.group()

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at].group() if at < len(self._tokens) else ""

    def _misread(
        self, expected: str, *, choices: tuple[str, ...] = (), meant: str | None = None
    ) -> Misread:
        word = self._peek()
        read = quoted(word) if word else "the end of the rule"
        meant = meant or did_you_mean(word.casefold(), choices)
        hint = f"Did you mean `{meant}`? {self._hint}" if meant else self._hint
        return Misread(read, expected, hint=hint, code="bad_gate_rule")
