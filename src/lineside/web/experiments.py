"""An experiment on its page: the arms, their metric, and each against the first as a forest."""

from typing import NamedTuple

from markupsafe import Markup

from lineside.apps import staged
from lineside.stats import axes, plots
from lineside.traces import arms as arm_sums
from lineside.web.forest import ForestRow, forest_plot

_TONES: dict[str, plots.Tone] = {
    "better": "ship",
    "worse": "hold",
    "no_better": "hold",
    "unclear": "more",
    "no_data": "plain",
}
_WORDS = {
    "better": "Better",
    "worse": "Worse",
    "no_better": "Not better",
    "unclear": "Not settled",
    "no_data": "Not known",
}
_ENDED: dict[str, tuple[plots.Tone, str]] = {
    "done": ("ship", "Done"),
    "rolled_back": ("hold", "Rolled back"),
    "stopped": ("plain", "Stopped"),
}


class ArmRow(NamedTuple):
    """One arm in the table: what it is, what its calls came to, and what is said of it."""

    name: str
    label: str
    release_id: str
    share: str
    figures: arm_sums.ArmFigures | None
    metric: str
    tone: plots.Tone
    word: str


def experiment_tone(view: staged.StagedView) -> tuple[plots.Tone, str]:
    """Which verdict the page is in the colour of, and its word."""
    found, said = view.rollout, view.verdict
    if not found.is_open:
        return _ENDED[found.status]
    if found.trouble or not view.is_watched:
        return "hold", "Not watched"
    if found.experiment and found.experiment.ratio and found.experiment.ratio.is_mismatch:
        return "hold", "Not to be trusted"
    if said.winner:
        return "ship", f"{said.winner} is better"
    if said.outcome == "keeps" and found.experiment:
        return "plain", f"{found.experiment.control.name} keeps"
    return "more", "Not enough data"


def arm_rows(found: staged.StagedRollout, experiment: staged.Experiment) -> list[ArmRow]:
    """The arms in the order they were named."""
    figures = {one.arm: one for one in found.seen.named}
    metrics = {one.arm: one for one in experiment.metrics}
    standings = {one.arm: one.standing for one in experiment.effects}
    unit, rows = staged.unit_of(experiment), []
    for arm in experiment.arms:
        metric, standing = metrics.get(arm.name), standings.get(arm.name)
        rows.append(
            ArmRow(
                arm.name,
                arm.label,
                arm.release_id,
                f"{arm.share * 100:g} %",
                figures.get(arm.name),
                axes.show(metric.value, unit) if metric else "–",
                _TONES[standing] if standing else "plain",
                _WORDS[standing] if standing else "",
            )
        )
    return rows


def forest_of(experiment: staged.Experiment) -> Markup:
    """Each arm against the first over one axis, better to the right; of a score as it is."""
    sign = 1 if experiment.direction == ">=" else -1
    unit = staged.unit_of_difference(experiment)
    title = f"Each arm against {experiment.control.name}"
    if not unit:
        # A score has a scale of its own, which is no share of anything.
        marks = [
            plots.IntervalRow(
                effect.arm,
                effect.value,
                effect.low,
                effect.high,
                f"{effect.users:,} users",
                _TONES[effect.standing],
            )
            for effect in experiment.effects
            if effect.value is not None
        ]
        return plots.difference_plot(title, marks, unit=unit, accepted=sign * experiment.smallest)
    rows = []
    for effect in experiment.effects:
        ends = [None if end is None else sign * end for end in (effect.low, effect.high)]
        low, high = ends if sign > 0 else ends[::-1]
        rows.append(
            ForestRow(
                label=f"{effect.arm} against {experiment.control.name}",
                note=f"{effect.users:,} users",
                shown=axes.show(effect.value, unit, signed=True),
                value=None if effect.value is None else sign * effect.value,
                low=low,
                high=high,
                wide_low=low,
                wide_high=high,
                accepted=experiment.smallest,
                is_deciding=True,
                tone=_TONES[effect.standing],
                said=effect.sentence,
            )
        )
    return forest_plot(title, rows)


def metric_plot(experiment: staged.Experiment) -> Markup:
    """The metric of every arm with an interval of its own."""
    shares = {arm.name: arm.label for arm in experiment.arms}
    rows = [
        plots.IntervalRow(
            f"{one.arm} ({shares[one.arm]})", one.value, one.low, one.high, f"{one.users:,} users"
        )
        for one in experiment.metrics
    ]
    return plots.interval_rows(experiment.metric, rows, unit=staged.unit_of(experiment))
