"""Several rules judged at once: the chance that one fails by luck grows with their number."""

from collections.abc import Sequence

from lineside.core import Invalid


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted so that any one below alpha is a failure, however many were judged.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6 (1979). Keeps the chance of any false alarm at alpha for any dependence between the
    rules. The order of the input is kept.

    Raises:
        Invalid: `bad_p_value` for one outside 0 to 1.
    """
    _check(p_values)
    adjusted = [1.0] * len(p_values)
    floor = 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = floor
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted so that of those below alpha at most that part are false alarms.

    Benjamini and Hochberg, "Controlling the false discovery rate", Journal of the Royal Statistical
    Society B 57 (1995). For looking through many slices, where one false alarm among twenty finds
    is a fair price; the finds must be independent or rise and fall together. The order of the input
    is kept.

    Raises:
        Invalid: `bad_p_value` for one outside 0 to 1.
    """
    return _step_up(p_values, 1.0)


def benjamini_yekutieli(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted as by `benjamini_hochberg`, for finds that depend in any way.

    Benjamini and Yekutieli, "The control of the false discovery rate in multiple testing under
    dependency", Annals of Statistics 29 (2001). Such are slices that overlap, or pairs that share a
    release.

    Raises:
        Invalid: `bad_p_value` for one outside 0 to 1.
    """
    return _step_up(p_values, sum(1 / rank for rank in range(1, len(p_values) + 1)))


def _step_up(p_values: Sequence[float], penalty: float) -> list[float]:
    _check(p_values)
    adjusted, ceiling = [1.0] * len(p_values), 1.0
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rank in range(len(order), 0, -1):
        at = order[rank - 1]
        ceiling = min(ceiling, p_values[at] * penalty * len(order) / rank)
        adjusted[at] = ceiling
    return adjusted


def _check(p_values: Sequence[float]) -> None:
    for p_value in p_values:
        if not 0 <= p_value <= 1:
            raise Invalid("bad_p_value", f"A p-value must lie between 0 and 1: `{p_value}`")
