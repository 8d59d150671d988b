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
    for p_value in p_values:
        if not 0 <= p_value <= 1:
            raise Invalid("bad_p_value", f"A p-value must lie between 0 and 1: `{p_value}`")
    adjusted = [1.0] * len(p_values)
    floor = 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = floor
    return adjusted
