"""Corrections for many p-values against statsmodels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from lineside.core import Invalid
from lineside.stats.multiplicity import benjamini_hochberg, benjamini_yekutieli, holm

METHODS = {"holm": holm, "fdr_bh": benjamini_hochberg, "fdr_by": benjamini_yekutieli}


@settings(max_examples=12, deadline=None)  # the oracle collects garbage on every call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p_values: list[float]) -> None:
    expected = multipletests(p_values, method="holm")[1]

    assert holm(p_values) == pytest.approx(list(expected))


@pytest.mark.parametrize("method", ["fdr_bh", "fdr_by"])
def test_false_discovery_corrections_agree_with_statsmodels(method: str) -> None:
    p_values = [*np.random.default_rng(1).beta(0.5, 2, 40), 0.0, 1.0, 0.03, 0.03]

    assert METHODS[method](p_values) == pytest.approx(multipletests(p_values, method=method)[1])


def test_of_what_is_found_few_are_false() -> None:
    rng = np.random.default_rng(2)
    parts = []
    for _ in range(1_000):
        p_values = np.concatenate([rng.random(40), rng.beta(0.1, 8, 10)])
        found = np.array(benjamini_hochberg(p_values.tolist())) <= 0.1
        parts.append(found[:40].sum() / max(1, found.sum()))

    assert np.mean(parts) < 0.09


@pytest.mark.parametrize("adjust", METHODS.values())
def test_nothing_to_correct_is_nothing(adjust) -> None:
    assert adjust([]) == []


@pytest.mark.parametrize("adjust", METHODS.values())
@pytest.mark.parametrize("p_value", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(adjust, p_value: float) -> None:
    with pytest.raises(Invalid, match="between 0 and 1"):
        adjust([0.5, p_value])
