"""What a reader of a verdict should know beside it, in sentences."""

from collections.abc import Sequence

from lineside.evals.compare import Pairing
from lineside.evals.gate import twins_note
from lineside.evals.judged import JudgedRun
from lineside.evals.verdicts.effects import Effect
from lineside.stats import wording

_FEW_CLUSTERS = 10


def notes_of(
    effects: Sequence[Effect], pairing: Pairing, baseline: JudgedRun, candidate: JudgedRun
) -> list[str]:
    """Whatever makes the numbers say less than they seem to, and what got worse unasked."""
    notes = []
    if pairing.unpaired:
        left_out = "1 case is" if pairing.unpaired == 1 else f"{pairing.unpaired:,} cases are"
        notes.append(
            f"{left_out} left out: only in one run, or there with another input or expectation"
        )
    if pairing.missing:
        lacking = "1 case lacks" if pairing.missing == 1 else f"{pairing.missing:,} cases lack"
        notes.append(f"{lacking} a score in one of the runs, counted both ways")
    notes += twins_note(candidate)
    main = effects[0] if effects and effects[0].role == "main" else None
    if main is not None and (ground := candidate.rests_on(main.name)):
        notes.append(f"`{main.name}` {ground}")
    if main is not None:
        notes += _about_cases(main, pairing)
    notes += [
        f"Watch `{effect.name}`: surely worse, by {_amount(effect)}"
        for effect in effects
        if effect.role == "watched" and effect.standing == "worse"
    ]
    if baseline.run.repetitions != candidate.run.repetitions:
        notes.append(
            f"The baseline asked each case {baseline.run.repetitions} times and the candidate "
            f"{candidate.run.repetitions}; the means per case are compared"
        )
    return notes


def _about_cases(main: Effect, pairing: Pairing) -> list[str]:
    if main.cases == 1:
        return ["There is one case only: it shows what happened to it, and nothing beyond"]
    clusters = pairing.after.clusters
    count = len(set(clusters)) if clusters else main.cases
    notes = []
    if count == 1:
        notes.append(
            f"All {main.cases:,} cases are related (one conversation or document): they count as "
            "one, so nothing follows for others"
        )
    elif count < _FEW_CLUSTERS and clusters:
        notes.append(
            f"The {main.cases:,} cases come from {count} conversations or documents: take the "
            "interval as rough"
        )
    before, after = pairing.before, pairing.after.values
    if ((before == before[0]) & (after == before[0])).all():
        notes.append(
            f"Every case scored {before[0]:g} in both runs: this dataset cannot tell them "
            "apart; add harder cases"
        )
    elif (before == after).all():
        notes.append("No case scored differently in the two runs")
    return notes


def _amount(effect: Effect) -> str:
    amount = wording.show(effect.difference, effect.difference_unit, signed=True)
    if effect.difference_unit == "points" or not effect.baseline:
        return amount
    return f"{amount} ({effect.difference / effect.baseline:+.0%})".replace("%)", " %)")
