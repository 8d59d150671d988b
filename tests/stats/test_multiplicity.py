"""Holm's correction against statsmodels."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from lineside.core import Invalid
from lineside.stats.multiplicity import holm


@settings(max_examples=12, deadline=None)  # the oracle collects garbage on every call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p_values: list[float]) -> None:
    expected = multipletests(p_values, method="holm")[1]

    assert holm(p_values) == pytest.approx(list(expected))


def test_nothing_to_correct_is_nothing() -> None:
    assert holm([]) == []


@pytest.mark.parametrize("p_value", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(p_value: float) -> None:
    with pytest.raises(Invalid, match="between 0 and 1"):
        holm([0.5, p_value])
