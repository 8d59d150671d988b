"""Ranks with ties, and intervals that hold all at once."""

import numpy as np
import pytest
import scipy.stats

from lineside.core import Invalid
from lineside.stats.leaderboard import Leaderboard, leaderboard


def test_what_cannot_be_told_apart_is_a_tie() -> None:
    rng = np.random.default_rng(1)
    hard = rng.random(800)
    rates = {"a": 0.9, "b": 0.895, "c": 0.7, "d": 0.5}

    board = leaderboard(
        {name: (hard + 0.2 * rng.random(800) < rate) for name, rate in rates.items()}
    )

    ranks = {entry.name: (entry.rank_best, entry.rank_worst) for entry in board.entries}
    assert ranks == {"a": (1, 2), "b": (1, 2), "c": (3, 3), "d": (4, 4)}
    first = board.entries[0]
    assert {first.name, *first.tied_with} == {"a", "b"}
    (tie,) = [pair for pair in board.pairs if pair.is_tie]
    assert tie.difference.low <= 0 <= tie.difference.high
    assert tie.p_adjusted > 0.05 > max(p.p_adjusted for p in board.pairs if not p.is_tie)


def test_for_cost_the_lowest_is_first() -> None:
    rng = np.random.default_rng(2)
    case = rng.lognormal(0, 0.5, 120)

    board = leaderboard({"dear": case * 3, "cheap": case, "middle": case * 2}, lower_is_better=True)

    assert [entry.name for entry in board.entries] == ["cheap", "middle", "dear"]
    assert [entry.rank_worst for entry in board.entries] == [1, 2, 3]


def test_two_alone_need_no_correction() -> None:
    rng = np.random.default_rng(3)

    board = leaderboard({"a": rng.normal(size=60), "b": rng.normal(size=60)})

    assert board.pair_confidence == pytest.approx(0.95, abs=0.005)


def test_independent_entries_get_the_level_of_tukey() -> None:
    rng = np.random.default_rng(4)
    cases = 400
    table = np.linalg.qr(rng.normal(size=(cases, 7)) - 0)[0][:, :6].T
    table = np.linalg.qr(np.column_stack([np.ones(cases), table.T]))[0][:, 1:].T

    board = leaderboard({f"m{at}": row for at, row in enumerate(table)})

    reach = scipy.stats.studentized_range.ppf(0.95, 6, cases - 1) / 2**0.5
    assert scipy.stats.t.isf((1 - board.pair_confidence) / 2, cases - 1) == pytest.approx(
        reach, abs=0.03
    )


def test_all_pairs_and_all_means_hold_at_once() -> None:
    rng = np.random.default_rng(5)
    truth = {"a": 0.0, "b": 0.0, "c": 0.3, "d": 0.3, "e": 0.8}
    pairs = means = ranks = 0
    for seed in range(400):
        case = rng.normal(size=60)
        board = leaderboard(
            {
                name: mean + 0.7 * case + (0.5 + mean) * rng.normal(size=60)
                for name, mean in truth.items()
            },
            draws=2_000,
            seed=seed,
        )
        pairs += all(
            pair.difference.low <= truth[pair.first] - truth[pair.second] <= pair.difference.high
            for pair in board.pairs
        )
        means += all(
            entry.mean.low <= truth[entry.name] <= entry.mean.high for entry in board.entries
        )
        ranks += all(
            entry.rank_best <= 1 + sum(other > truth[entry.name] for other in truth.values())
            and entry.rank_worst >= sum(other >= truth[entry.name] for other in truth.values())
            for entry in board.entries
        )

    assert pairs / 400 == pytest.approx(0.95, abs=0.033)  # three deviations of chance
    assert means / 400 == pytest.approx(0.95, abs=0.033)
    assert ranks / 400 > 0.94


def test_cases_of_one_document_count_as_related() -> None:
    rng = np.random.default_rng(6)
    keys = np.repeat(np.arange(30), 10)
    rows = {name: rng.normal(size=30)[keys] + 0.3 * rng.normal(size=300) for name in "abc"}

    alone, related = leaderboard(rows), leaderboard(rows, clusters=keys.tolist())

    assert (alone.n, related.n) == (300, 30)
    for narrow, wide in zip(alone.pairs, related.pairs, strict=True):
        assert wide.difference.high - wide.difference.low > 2 * (
            narrow.difference.high - narrow.difference.low
        )


def test_who_was_asked_anew_has_wider_intervals_and_nobody_else() -> None:
    rng = np.random.default_rng(7)
    rows = {name: rng.normal(size=100) for name in "abc"}

    once, anew = leaderboard(rows), leaderboard(rows, looks={"a": 4})

    def widths(board: Leaderboard) -> dict[str, float]:
        pairs = {
            "".join(sorted(pair.first + pair.second)): pair.difference.high - pair.difference.low
            for pair in board.pairs
        }
        return pairs | {one.name: one.mean.high - one.mean.low for one in board.entries}

    wider = {name: widths(anew)[name] / width for name, width in widths(once).items()}
    assert {name: ratio > 1.1 for name, ratio in wider.items()} == {
        "a": True, "ab": True, "ac": True, "b": False, "c": False, "bc": False
    }  # fmt: skip
    assert wider["b"] == wider["bc"] == 1


def test_asking_anew_does_not_lead_to_a_sure_lead() -> None:
    """Three that are alike, one of them asked five times and looked at after each."""
    rng = np.random.default_rng(8)
    led = 0
    for _ in range(100):
        right = rng.beta(4, 1, size=150)
        others = {name: (rng.random(150) < right) * 1.0 for name in "bc"}
        tries = (rng.random((5, 150)) < right) * 1.0
        boards = (
            leaderboard({"a": tries[:times].mean(axis=0), **others}, looks={"a": times}, draws=200)
            for times in range(1, 6)
        )
        led += any(one.first == "a" and not one.is_tie for board in boards for one in board.pairs)

    assert led <= 5


def test_entries_that_are_all_alike_are_all_first() -> None:
    board = leaderboard({name: [1, 0, 1, 1] * 20 for name in "abc"})

    assert {(entry.rank_best, entry.rank_worst) for entry in board.entries} == {(1, 3)}
    assert all(pair.is_tie for pair in board.pairs)


@pytest.mark.parametrize(
    ("scores", "options", "code"),
    [
        ({"a": [1, 0]}, {}, "bad_count"),
        ({str(at): [1, 0] for at in range(61)}, {}, "bad_count"),
        ({"a": [1, 0], "b": [1]}, {}, "lengths_differ"),
        ({"a": [1], "b": [0]}, {}, "too_few_cases"),
        ({"a": [1, 0], "b": [0, 1]}, {"clusters": "xx"}, "too_few_cases"),
        ({"a": [1, float("nan")], "b": [0, 1]}, {}, "not_finite"),
    ],
)
def test_what_cannot_be_ranked_is_refused(scores, options, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        leaderboard(scores, **options)

    assert caught.value.code == code
