import pytest

from lineside.cli import output, verdicts


@pytest.mark.parametrize("width", [80, 120])
def test_tables_keep_to_the_width_of_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))

    output.print_table(("name", "text"), [("a", "word " * 60), ("b", "x" * 300)])

    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].split() == ["name", "text"]


def test_text_that_looks_like_markup_is_shown_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.print_table(("[bold]",), [("[red]:smile:[/red]",)])
    output.say("[link]")

    assert capsys.readouterr().out.split() == ["[bold]", "[red]:smile:[/red]", "[link]"]


def test_nothing_is_coloured_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    output.say("word", style="bold red")

    assert capsys.readouterr().out == "word\n"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [(0.9512, "%", "95.1 %"), (1234.5, "ms", "1,234 ms"), (0.0042, "ms", "0.00420 ms"),
     (0, "USD", "0 USD"), (None, "%", "unknown"), (-0.021, "points", "-2.1 points")],
)  # fmt: skip
def test_numbers_read_well(value: float | None, unit: str, shown: str) -> None:
    assert verdicts.amount(value, unit) == shown


def test_a_payload_becomes_one_line() -> None:
    assert output.short({"message": "a\nb"}) == "a b"
    assert output.short({"topic": "x", "confidence": 0.51234}) == "topic: x, confidence: 0.512"
    assert output.short("x" * 200, characters=10) == "x" * 9 + "…"
