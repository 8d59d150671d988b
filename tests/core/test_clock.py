from datetime import UTC, datetime, timedelta

import pytest

from lineside.core.clock import ago, spell_duration

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *[(5, "just now"), (300, "5 min ago"), (3600, "1 hour ago"), (3 * 86400, "3 days ago")],
        *[(20_783 * 86400, "56 years ago"), (-5, "just now"), (-64 * 365 * 86400, "in 64 years")],
    ],
)
def test_a_moment_is_said_in_one_unit(seconds: int, said: str) -> None:
    assert ago(NOON - timedelta(seconds=seconds), since=NOON) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.85, "850 ms"), (12.34, "12.3 s"), (245, "4 min 5 s"), (7800, "2 h 10 min")],
)
def test_a_duration_is_said_with_a_fitting_unit(seconds: float, said: str) -> None:
    assert spell_duration(timedelta(seconds=seconds)) == said
