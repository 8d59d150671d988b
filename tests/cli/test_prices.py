import pytest


def test_an_own_price_is_set_shown_and_taken_back(lineside) -> None:
    made = lineside(
        "prices", "set", "house-*", "--input", "0.5", "--output", "1", "--from", "2026-01-01"
    )
    listed = lineside("prices", "ls")
    shown = lineside("prices", "show", "house-7b")

    assert made.code == shown.code == 0
    assert "`house-*` costs this from 2026-01-01 on" in made.out
    assert listed.out.split()[-8:-1] == ["house-*", "any", "0.5", "0.5", "0.5", "1", "2026-01-01"]
    assert "Base table: genai-prices" in listed.err
    assert "newest change" in listed.err
    assert "0.5" in shown.out
    assert "own 2026-01-01" in shown.err

    own = lineside("prices", "ls", "--json").data["own"]
    assert [one["rates"]["output"] for one in own] == [1.0]
    assert lineside("prices", "remove", own[0]["id"]).code == 0
    assert lineside("prices", "ls", "--json").data["own"] == []
    assert "price.removed" in lineside("ledger", "ls").out


def test_the_base_table_is_looked_into_by_name(lineside) -> None:
    table = lineside("prices", "ls", "google", "gemini-2.5-pro")
    data = lineside("prices", "show", "o3", "--at", "2025-06-09", "--json").data

    assert "gemini-2.5-pro (above 200,000 read)" in table.out
    assert data["steps"][0]["rates"]["input"] == 10
    assert data["source"].startswith("genai-prices ")


@pytest.mark.parametrize(
    ("model", "hint"),
    [("llama-3.3-70b", "--provider groq"), ("gpt-99-ultra", "lineside prices set gpt-99-ultra")],
)
def test_an_unknown_price_is_said_to_be_unknown(lineside, model: str, hint: str) -> None:
    shown = lineside("prices", "show", model)

    assert shown.code == 1
    assert shown.out.startswith("Unknown: ")
    assert hint in shown.err
