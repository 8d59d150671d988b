"""What is made of a finding that leans on a judge: nothing without a licence."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from lineside.evals.compare import pair
from lineside.evals.judged import JudgedRun
from lineside.evals.licences.labels import keys_of
from lineside.evals.licences.licence import get_licence, labels_of
from lineside.evals.licences.standing import (
    JudgeStanding,
    judge_standings,
    pair_obstacles,
    says_yes_or_no,
)
from lineside.stats import (
    Finding,
    Interval,
    PairedDifference,
    corrected,
    judge_non_inferiority,
    judge_threshold,
    wording,
)
from lineside.trust import Scope
from lineside.usecases import GateRule


class Leaning:
    """The judges that a gate, or the verdict over two runs, leans on.

    Args:
        baseline: The run compared with, where there is one.
    """

    def __init__(self, scope: Scope, judged: JudgedRun, baseline: JudgedRun | None) -> None:
        self._scope = scope
        self._judged = judged
        self._baseline = baseline
        self._standings = judge_standings(scope, judged)
        self._pair_obstacles = (
            pair_obstacles(scope, self._standings, judged.run, baseline.run) if baseline else {}
        )

    def weigh(
        self, rules: Sequence[GateRule], findings: Sequence[Finding], notes: list[str]
    ) -> list[Finding]:
        """What each rule found, once the licences and the errors of judges are counted.

        A judge without a licence decides nothing, neither ship nor hold.
        """
        pairs = zip(rules, findings, strict=True)
        return [self._weigh(rule, finding, notes) for rule, finding in pairs]

    @property
    def confidence(self) -> float:
        """The level at which the candidate is judged."""
        return self._judged.confidence

    def has_judge(self, score: str) -> bool:
        return score in self._standings or score in self._pair_obstacles

    def weigh_difference(
        self,
        score: str,
        finding: Finding,
        notes: list[str],
        *,
        decide: Callable[[PairedDifference, str], Finding],
    ) -> Finding:
        """What a comparison found, once the licence and the error of its judge are counted.

        Args:
            decide: Makes the finding from the corrected difference and its label.
        """
        standing = self._standings.get(score)
        if not self.has_judge(score) or finding.cases == 0:
            return finding
        if standing is None or self._hinders(score):
            return self._hindered(score, finding, notes)
        return self._corrected_difference(finding, standing, notes, decide=decide)

    def weigh_ratio(self, score: str, finding: Finding, notes: list[str]) -> Finding:
        """What was found of a ratio that counts successes by a score, such as cost per success."""
        if not self.has_judge(score) or finding.cases == 0:
            return finding
        if self._hinders(score):
            return self._hindered(score, finding, notes)
        notes.append(
            f"`{finding.rule}` counts successes by the word of the judge `{score}`, not corrected "
            "for its error"
        )
        return finding

    def _hinders(self, score: str) -> bool:
        """Whether nothing is decided by a difference that leans on this score."""
        standing = self._standings.get(score)
        return standing is None or not standing.is_licensed or score in self._pair_obstacles

    def _hindered(self, score: str, finding: Finding, notes: list[str]) -> Finding:
        standing = self._standings.get(score)
        if standing is not None and not standing.is_licensed:
            return self._unlicensed(finding, standing, notes, is_difference=True)
        # A difference of what one judge said and what something else did.
        notes.append(
            f"`{finding.rule}` compares two runs: have both judged by the one judge that is "
            "licensed, `--fresh` if need be"
        )
        obstacle = self._pair_obstacles[score]
        return _undecided(finding, f"{obstacle}; {_alone(finding, is_difference=True)}")

    def weigh_mean(
        self,
        score: str,
        finding: Finding,
        notes: list[str],
        *,
        decide: Callable[[Interval, str], Finding],
    ) -> Finding:
        """What a judge's mean score shows as a difference, once its licence and error are counted.

        Args:
            decide: Makes the finding from the corrected mean and its label.
        """
        standing = self._standings[score]
        if not standing.is_licensed:
            return self._unlicensed(finding, standing, notes, is_difference=True)
        notes.append(f"`{score}`: {standing.sentence}")
        interval = standing.corrected.interval() if standing.corrected else None
        if interval is None:
            return _undecided(finding, standing.sentence)
        decided = decide(interval, f"true {finding.label}")
        return _beside_alone(decided, finding, is_difference=True)

    def _weigh(self, rule: GateRule, finding: Finding, notes: list[str]) -> Finding:
        if rule.kind == "non_inferiority":
            return self._weigh_not_worse(rule, finding, notes)
        standing = self._standings.get(rule.score)
        if standing is None or finding.cases == 0:
            return finding
        if not standing.is_licensed:
            is_difference = rule.kind != "threshold"
            return self._unlicensed(finding, standing, notes, is_difference=is_difference)
        if rule.kind == "threshold" and rule.statistic == "mean":
            return self._corrected_mean(finding, standing, notes)
        notes.append(f"`{rule.text}` is the judge's own word, not corrected for its error")
        return finding

    def _weigh_not_worse(self, rule: GateRule, finding: Finding, notes: list[str]) -> Finding:
        return self.weigh_difference(
            rule.score,
            finding,
            notes,
            decide=lambda difference, label: judge_non_inferiority(
                difference,
                abs(finding.threshold),
                rule=finding.rule,
                label=label,
                unit=finding.unit,
                direction=finding.direction,
                against="live",
                failed=finding.failed,
                confidence=finding.confidence,
            ),
        )

    def _unlicensed(
        self, finding: Finding, standing: JudgeStanding, notes: list[str], *, is_difference: bool
    ) -> Finding:
        score = standing.score
        notes.append(
            f"`{finding.rule}` leans on a judge: draw answers with `lineside judges sample "
            f"{score} --run {self._judged.run.id}`, have people label them, then "
            f"`lineside judges licence {score} --labels FILE`"
        )
        said = _alone(finding, is_difference=is_difference)
        return _undecided(finding, f"{standing.sentence}; {said}")

    def _corrected_mean(
        self, finding: Finding, standing: JudgeStanding, notes: list[str]
    ) -> Finding:
        notes.append(f"`{standing.score}`: {standing.sentence}")
        interval = standing.corrected.interval() if standing.corrected else None
        if interval is None:
            return _undecided(finding, standing.sentence)
        found = judge_threshold(
            replace(interval, cases=finding.cases),
            finding.threshold,
            finding.direction,
            rule=finding.rule,
            label=f"true {finding.label}",
            unit=finding.unit,
            failed=finding.failed,
        )
        return _beside_alone(found, finding, is_difference=False)

    def _corrected_difference(
        self,
        finding: Finding,
        standing: JudgeStanding,
        notes: list[str],
        *,
        decide: Callable[[PairedDifference, str], Finding],
    ) -> Finding:
        score = standing.score
        pairing = pair(self._baseline or self._judged, self._judged, score)
        before, after = pairing.before.tolist(), pairing.after.values.tolist()
        alone = pairing.difference(confidence=finding.confidence)
        if alone is None or standing.licence_id is None:
            return _undecided(finding, f"no case of both has the score `{score}`")
        labels = labels_of(self._scope, get_licence(self._scope, standing.licence_id))
        if not says_yes_or_no(self._judged.run, score, labels):
            error = (
                f"the error of `{score}` cannot be taken out of a difference, for its scores have "
                "more than two levels"
            )
            notes.append(f"`{finding.rule}`: a rule such as `{score} >= 0.8` can be corrected")
            return _undecided(finding, f"{error}; {_alone(finding, is_difference=True)}")
        found = corrected.rogan_gladen_difference(
            before,
            after,
            judge=[item.judge for item in labels],
            people=[float(item.people or 0) for item in labels],
            confidence=finding.confidence,
            clusters=pairing.after.clusters,
            labelled_clusters=keys_of(labels),
        )
        if found.value is None:
            error = f"the error of `{score}` is too large to tell"
            return _undecided(finding, f"{error}; {_alone(finding, is_difference=True)}")
        difference = alone.estimated_as(found.value, found.low, found.high, method=found.method)
        decided = decide(difference, f"true {finding.label}")
        return _beside_alone(decided, finding, is_difference=True)


def _undecided(finding: Finding, sentence: str) -> Finding:
    return replace(
        finding, decision="more", p_pass=1.0, p_fail=1.0, cases_needed=None, sentence=sentence
    )


def _beside_alone(corrected: Finding, alone: Finding, *, is_difference: bool) -> Finding:
    """The corrected finding, with what the judge alone said behind it."""
    sentence = corrected.sentence
    if corrected.decision == "more":
        # How many cases would do is reckoned as if people had judged them; labels are what lacks.
        sentence = sentence.removesuffix(wording.settle(corrected.cases_needed))
        sentence += "more labels, or more cases, would narrow it"
        corrected = replace(corrected, cases_needed=None)
    return replace(corrected, sentence=f"{sentence}; {_alone(alone, is_difference=is_difference)}")


def _alone(finding: Finding, *, is_difference: bool) -> str:
    # Between two shares lie points, not percent.
    unit = "points" if is_difference and finding.unit == "%" else finding.unit
    return f"the judge alone said {wording.show(finding.value, unit, signed=is_difference)}"
