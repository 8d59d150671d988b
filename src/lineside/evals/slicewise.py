"""Within a slice two runs are held against each other as they are over all cases."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lineside.evals.compare import Pairing
from lineside.evals.measures import TIME_AND_MONEY, Sides
from lineside.evals.sheet import places_by_slice
from lineside.stats import PairedDifference, ends, paired_difference

if TYPE_CHECKING:
    from numpy.typing import NDArray


def differences_by_slice(pairing: Pairing, unit: str) -> dict[str, dict[str, PairedDifference]]:
    """Name of a slice to its values, each with the difference within.

    Its ends hold whatever the cases of the slice would have scored that lack a score.
    """
    sides, after = Sides.of(pairing, unit), pairing.after
    lacking = places_by_slice(after.slices, pairing.missing_codes)
    return {
        name: {
            value: _within(
                pairing,
                sides,
                places,
                # Time and money are those of answers, as over all cases.
                0 if unit in TIME_AND_MONEY else len(lacking.get(name, {}).get(value, ())),
            )
            for value, places in values.items()
        }
        for name, values in places_by_slice(after.slices, after.slice_codes).items()
    }


def _within(
    pairing: Pairing, sides: Sides, places: "NDArray[Any]", missing: int
) -> PairedDifference:
    found = paired_difference(
        sides.before[places],
        sides.after[places],
        clusters=pairing.after.at(places).clusters,
        # Slices are many, and a page need not wait for the bootstrap of each.
        method="t" if sides.kind == "continuous" else "auto",
        bounds=None if sides.kind == "ordinal" else pairing.bounds,
    )
    if not missing:
        return found
    low, high, p_value = ends.difference_ends(
        found, missing, bounds=(0.0, 1.0) if sides.unit == "%" else None
    )
    return replace(found, low=low, high=high, p_value=p_value)
