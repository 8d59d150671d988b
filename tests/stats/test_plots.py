import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from lineside.stats.axes import axis, show, show_span
from lineside.stats.plots import (
    BarShare,
    IntervalRow,
    SeriesPoint,
    difference_plot,
    interval_bar,
    interval_rows,
    level_bar,
    series_with_intervals,
    share_bar,
)

ROWS = [
    IntervalRow("mail", 0.94, 0.88, 0.97, "n 120"),
    IntervalRow("chat", 0.86, 0.78, 0.92, "n 90"),
    IntervalRow("phone", 0.71, 0.55, 0.83, "n 31", "hold"),
]


def percents(plot: str, kind: str, name: str) -> list[float]:
    """One coordinate of every mark of a kind, in percent of the plot's width."""
    tree = ElementTree.fromstring(plot)  # noqa: S314 # drawn by us a moment ago
    marks = [mark for mark in tree.iter() if kind in mark.get("class", "").split()]
    return [float(mark.get(name, "").removesuffix("%")) for mark in marks]


def test_a_higher_value_stands_further_right() -> None:
    dots = percents(interval_rows("By channel", ROWS), "dot", "cx")

    assert dots == sorted(dots, reverse=True)
    assert len(set(dots)) == 3


def test_a_dot_stands_inside_its_interval_and_both_inside_the_plot() -> None:
    plot = interval_rows("By channel", ROWS)
    ends = zip(percents(plot, "range", "x1"), percents(plot, "range", "x2"), strict=True)

    for (low, high), dot in zip(ends, percents(plot, "dot", "cx"), strict=True):
        assert 0 <= low < dot < high <= 100


@pytest.mark.parametrize("threshold", [0.2, 0.85, 0.99])
def test_the_threshold_stands_inside_the_axis_wherever_it_is(threshold: float) -> None:
    (x,) = set(percents(interval_rows("By channel", ROWS, threshold=threshold), "threshold", "x1"))

    assert 0 < x < 100


def test_a_difference_shows_zero_and_what_is_accepted_left_of_it() -> None:
    rows = [IntervalRow("accuracy", -0.05, -0.08, -0.02)]
    plot = difference_plot("Difference", rows, accepted=-0.01)
    (zero,), (accepted,) = percents(plot, "zero", "x1"), percents(plot, "threshold", "x1")

    assert percents(plot, "range", "x2")[0] < accepted < zero < 100
    assert "−5.0 points" in plot


def test_a_difference_in_percent_may_lie_below_zero_and_above_one() -> None:
    plot = difference_plot("Latency", [IntervalRow("latency", -0.05, -0.5, 1.6)], unit="%")
    [zero], [start], [end] = (
        percents(plot, *what) for what in (("zero", "x1"), ("range", "x1"), ("range", "x2"))
    )

    assert 0 < start < zero < end < 100


def test_a_series_goes_up_where_the_score_does_and_marks_what_was_refused() -> None:
    points = [
        SeriesPoint("v1", 0.80, 0.75, 0.84),
        SeriesPoint("refused", 0.60, 0.5, 0.7, is_hollow=True),
        SeriesPoint("v2", 0.90, 0.86, 0.93),
    ]
    plot = series_with_intervals("Accuracy", points, threshold=0.7)
    first, refused, second = percents(plot, "dot", "cy")

    assert second < first < refused
    assert percents(plot, "dot", "cx") == sorted(percents(plot, "dot", "cx"))
    assert plot.count('class="dot hollow"') == 1
    assert len(percents(plot, "path", "x1")) == 1, "a refused one is no part of the line"


def test_long_histories_show_the_newest_and_keep_apart() -> None:
    points = [SeriesPoint(f"v{at}", 0.9, 0.85, 0.95) for at in range(40)]
    xs = percents(series_with_intervals("Accuracy", points), "dot", "cx")

    assert len(xs) == 12
    assert all(right - left > 5 for left, right in pairwise(xs))


def test_shares_lie_side_by_side_and_fill_the_bar() -> None:
    plot = share_bar("Who gets what", [BarShare("v1", 75), BarShare("v2", 25)])

    assert percents(plot, "share", "x") == [0, 75]
    assert percents(plot, "share", "width") == [75, 25]


def test_a_level_below_its_mark_looks_and_reads_otherwise() -> None:
    below = level_bar("Confidence", 0.42, mark=0.6, mark_label="a person decides below 0.6")

    assert percents(below, "below", "width") == [42]
    assert percents(below, "mark", "x1") == [60]
    assert "a person decides below 0.6" in below
    assert not percents(level_bar("Confidence", 0.82, mark=0.6), "below", "width")


def test_a_long_label_keeps_its_end_by_which_it_differs() -> None:
    labels = [f"candidate of 28 November 11:54 ({mark})" for mark in ("0d05", "e618")]
    plot = interval_rows("Runs", [IntervalRow(label, 0.5, 0.4, 0.6) for label in labels])

    texts = re.findall(r'class="label"[^>]*>([^<]+)', plot)
    assert [text[-7:] for text in texts] == [" (0d05)", " (e618)"]
    assert all("…" in text for text in texts)


def test_what_comes_from_outside_is_escaped() -> None:
    evil = '<script>alert("&")</script>'
    row = IntervalRow(evil, 0.5, 0.4, 0.6, evil)
    plots = [
        interval_rows(evil, [row]),
        difference_plot(evil, [row]),
        interval_bar(evil, row),
        series_with_intervals(evil, [SeriesPoint(evil, 0.5, 0.4, 0.6, note=evil)]),
        share_bar(evil, [BarShare(evil, 100)]),
        level_bar(evil, 0.5, mark=0.6, mark_label=evil),
        interval_rows(evil, []),
    ]

    for plot in plots:
        assert "<script" not in plot
        assert "&lt;script&gt;" in plot


def test_each_plot_says_in_words_what_it_shows() -> None:
    plot = interval_rows("Accuracy by channel", ROWS)
    tree = ElementTree.fromstring(plot)  # noqa: S314 # drawn by us a moment ago
    namespace = "{http://www.w3.org/2000/svg}"

    assert tree.findtext(f"{namespace}title") == "Accuracy by channel"
    assert "mail: 94.0 %, interval 88.0 to 97.0 %, n 120" in (
        tree.findtext(f"{namespace}desc") or ""
    )


def test_without_data_there_is_a_sentence_and_no_plot() -> None:
    nothing = [IntervalRow("mail", None, None, None)]

    for empty in (interval_rows("Slices", nothing), series_with_intervals("Accuracy", [])):
        assert "nothing to draw yet" in empty
        assert "<svg" not in empty


def test_no_plot_needs_an_inline_style_or_a_size_of_its_own() -> None:
    plot = interval_rows("By channel", ROWS, threshold=0.85)

    assert "style=" not in plot
    assert 'width="100%"' in plot


@pytest.mark.parametrize(
    ("values", "unit"),
    [([0.2], "%"), ([0.0], "%"), ([1.0, 1.0], "%"), ([3.8, 5.0, 800], "ms"), ([1e-7], "USD")],
)
def test_an_axis_holds_its_values_between_round_ticks(values: list[float], unit: str) -> None:
    scale = axis(values, unit=unit)

    assert scale.start <= min(values) <= max(values) <= scale.end
    assert 2 <= len(scale.ticks) <= 8
    assert scale.ticks[0] == pytest.approx(scale.start)
    if unit == "%":
        assert scale.start >= 0
        assert scale.end <= 1


def test_numbers_carry_their_units() -> None:
    assert show(0.9412, "%") == "94.1 %"
    assert show(-0.05, "points", signed=True) == "−5.0 points"
    assert show(0.05, "points", signed=True) == "+5.0 points"
    assert show(1234.5, "ms") == "1,234 ms"
    assert show(None, "%") == "unknown"
    assert show_span(0.9, 0.95, "%") == "90.0 to 95.0 %"


def test_every_text_keeps_its_size_when_the_plot_gets_narrow() -> None:
    """No viewBox: positions are percentages, so that nothing is scaled down on a phone."""
    assert not re.search("viewBox", interval_rows("By channel", ROWS))
