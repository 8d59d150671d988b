import json
from pathlib import Path

from lineside.core import Settings
from lineside.evals import reviews
from lineside.store import open_store
from lineside.trust import local_scope


def rate_all(name: str, label: str) -> None:
    """Answer all that waits for the person at this terminal."""
    store = open_store(Settings.from_environment())
    scope = local_scope(store)
    for _ in range(50):
        turn = reviews.rating.next_turn(scope, name)
        if turn.task is None:
            break
        reviews.rating.give_answer(scope, name, turn.task.item, {"right": label})
    store.close()


def test_a_review_goes_from_a_run_to_labels(lineside, write_folder, monkeypatch) -> None:
    lineside("test", write_folder(right=4, wrong=2))
    question = ("--label", "right", "--ask", "Is it right?", "--choices", "yes,no")
    opened = lineside("reviews", "open", "mail", "--run", "latest", *question)
    assert opened.code == 0, opened.err
    assert "6 items, 2 raters on each" in opened.out
    assert "/rate" in opened.err
    assert "Nobody has answered yet: 6 items" in lineside("reviews", "show", "mail").out

    rate_all("mail", "yes")
    monkeypatch.setenv("LINESIDE_USER", "ben")
    rate_all("mail", "no")

    shown = lineside("reviews", "show", "mail")
    assert "Raters do not agree" in shown.out or "Too few answers" in shown.out
    assert "ben" in shown.out
    differing = lineside("reviews", "differing", "mail", "--json").data
    assert len(differing) == 6
    item = str(differing[0]["item"])
    assert lineside("reviews", "settle", "mail", item, "right=no", "--why", "So it is").code == 0
    exported = lineside("reviews", "export", "mail").out
    assert exported.startswith("case,label,ann,ben,verdict,chance,is_settled\n")
    assert f"{differing[0]['case_id']},no,yes,no,,1.0,yes\n" in exported
    cases = lineside("reviews", "export", "mail", "--as", "cases").out
    assert json.loads(cases)["expected"] == {"right": "no"}
    invited = lineside("reviews", "invite", "mail", "cem")
    assert "/begin?key=lsk_" in invited.out
    assert "to cem alone" in invited.err
    assert "is closed" in lineside("reviews", "close", "mail").out
    assert "nobody can be let in" in lineside("reviews", "invite", "mail", "dan").err
    assert "closed" in lineside("reviews", "ls").out


def test_wrong_use_of_reviews_says_what_to_do(lineside, write_folder, place: Path) -> None:
    nothing = lineside("reviews", "open", "mail", "--run", "latest", "--ask", "Right?")
    assert (nothing.code, "--choices" in nothing.err) == (2, True)
    lineside("test", write_folder(right=2))
    (place / "known.jsonl").write_text('{"input": {}, "output": {}}\n')
    asked = ("--ask", "Right?", "--choices", "yes,no", "--known", "known.jsonl")
    assert "lacks `said`" in lineside("reviews", "open", "mail", "--run", "latest", *asked).err
    assert "No review is called `mail`" in lineside("reviews", "show", "mail").err
