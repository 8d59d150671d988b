import pytest


def test_a_limit_is_set_shown_changed_and_taken_back(lineside) -> None:
    empty = lineside("budgets", "ls")
    lineside("keys", "create", "website", "--right", "run", "--team", "web", "--model", "play/*")
    made = lineside(
        *("budgets", "set", "--key", "website", "--usd", "0.5", "--requests", "60"),
        *("--every", "day"),
    )
    changed = lineside("budgets", "set", "--key", "website", "--usd", "2", "--every", "day")
    listed = lineside("budgets", "ls")

    assert "No limits yet" in empty.err
    assert "Limit for API key website: $0.50 every day (cap_" in made.out
    assert "60 requests" in made.out
    assert changed.code == 0
    rows = [line.split() for line in listed.out.splitlines()[1:]]
    assert [row[:3] for row in rows] == [["API", "key", "website"]] * 2
    assert [row[-3] for row in rows] == ["requests", "$2.00"]
    caps = {
        use["cap"]["measure"]: use["cap"]["id"] for use in lineside("budgets", "ls", "--json").data
    }
    assert "never" not in lineside("budgets", "show", caps["usd"]).err
    assert lineside("budgets", "remove", caps["usd"]).code == 0
    assert [use["cap"]["measure"] for use in lineside("budgets", "ls", "--json").data] == [
        "requests"
    ]
    kinds = lineside("ledger", "ls").out
    assert kinds.count("budget.set") == 3
    assert "API key website: $0.50 every day" in kinds
    assert kinds.count("budget.removed") == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--all", "--every", "day"], "No limit was given"),
        (["--usd", "1", "--every", "day"], "A limit is for one of"),
        (["--all", "--team", "a", "--usd", "1", "--every", "day"], "A limit is for one of"),
        (["--key", "nobody", "--usd", "1", "--every", "day"], "There is no API key `nobody`"),
    ],
)
def test_a_limit_that_says_too_little_is_refused(lineside, options: list[str], words: str) -> None:
    refused = lineside("budgets", "set", *options)

    assert refused.code == 2
    assert words in refused.err
