"""Ship, hold, or not enough data: the one answer to several rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from lineside.core import Invalid
from lineside.stats.findings import Decision, Finding
from lineside.stats.multiplicity import holm
from lineside.stats.pivots import critical
from lineside.stats.wording import settle


@dataclass(frozen=True)
class Verdict:
    """The answer to all rules together, in one sentence for a product manager.

    Args:
        findings: What each rule found, in the order of the rules.
        cases_needed: How many more cases would settle it; 0 where it is settled, None where no
            affordable number would or no rule was set.
    """

    decision: Decision
    sentence: str
    findings: tuple[Finding, ...]
    cases_needed: int | None

    def _repr_html_(self) -> str:
        """What a notebook shows: the sentence, and below it what each rule found."""
        from markupsafe import Markup

        rules = [
            Markup("<li><code>{}</code> {}</li>").format(finding.rule, finding.sentence)
            for finding in self.findings
        ]
        sentence = Markup("<p><strong>{}</strong></p>").format(self.sentence)
        return sentence + Markup("<ul>{}</ul>").format(Markup("").join(rules))


def verdict(findings: Sequence[Finding], *, confidence: float = 0.95) -> Verdict:
    """Say whether to ship, to hold, or how many more cases it takes to know.

    Ship only if every rule ships: the intersection-union test (Berger, "Multiparameter hypothesis
    testing and acceptance sampling", Technometrics 24, 1982) needs no correction, however many
    rules there are. Hold if some rule still fails after Holm's correction (1979), because with many
    rules one fails by luck. Otherwise more. Without a rule nothing was shown: the answer is more.

    Raises:
        Invalid: `mixed_confidence` if a finding was made at another confidence.
    """
    rows = tuple(findings)
    for finding in rows:
        if finding.confidence != confidence:
            raise Invalid(
                "mixed_confidence",
                f"Rule `{finding.rule}` was judged at confidence `{finding.confidence}`, "
                f"the verdict at `{confidence}`",
                hint="Judge all rules and the verdict at one confidence",
            )
    if not rows:
        return Verdict("more", "Not enough data: no rule was set", (), None)
    if all(finding.decision == "ship" for finding in rows):
        return Verdict("ship", _ship_sentence(rows), rows, 0)
    tail = (1 - confidence) / 2
    adjusted = holm([finding.p_fail for finding in rows])
    failing = [finding for finding, p_fail in zip(rows, adjusted, strict=True) if p_fail < tail]
    if failing:
        return Verdict("hold", _hold_sentence(failing), rows, 0)
    return _more(rows, tail)


def _ship_sentence(rows: tuple[Finding, ...]) -> str:
    if len(rows) == 1:
        return f"Ship: {rows[0].sentence}"
    closest = max(rows, key=lambda finding: finding.p_pass)
    return f"Ship: all {len(rows)} rules pass; the closest call: {closest.sentence}"


def _hold_sentence(failing: list[Finding]) -> str:
    surest = min(failing, key=lambda finding: finding.p_fail)
    others = [f"`{finding.rule}`" for finding in failing if finding is not surest]
    also = f"; also failing: {', '.join(others)}" if others else ""
    return f"Hold: {surest.sentence}{also}"


def _more(rows: tuple[Finding, ...], tail: float) -> Verdict:
    needs = [
        (finding, _needed_after_holm(finding, tail, len(rows)))
        for finding in rows
        if finding.decision != "ship"
    ]
    unaffordable = [finding for finding, needed in needs if needed is None]
    if unaffordable:
        deciding, cases_needed = unaffordable[0], None
    else:
        deciding, cases_needed = max(needs, key=lambda need: need[1] or 0)
    sentence = f"Not enough data: {deciding.sentence}"
    if deciding.decision == "hold":
        sentence += f"; not yet sure with {len(rows)} rules judged at once; {settle(cases_needed)}"
    return Verdict("more", sentence, rows, cases_needed)


def _needed_after_holm(finding: Finding, tail: float, rules: int) -> int | None:
    """Return the further cases that make a failure stand out among all rules, with power 0.8."""
    if finding.decision == "more":
        return finding.cases_needed
    observed = critical(max(finding.p_fail, 1e-300), None)
    wanted = critical(tail / rules, None) + critical(0.2, None)
    return max(1, ceil(finding.cases * ((wanted / observed) ** 2 - 1)))
