from lineside.web.kept import KEPT_MAX, Kept


def test_an_answer_is_worked_out_once() -> None:
    kept, made = Kept(), []

    def make() -> str:
        made.append(1)
        return "answer"

    assert [kept.get(("run",), make), kept.get(("run",), make)] == ["answer", "answer"]
    assert len(made) == 1


def test_what_was_not_asked_for_longest_goes_first() -> None:
    kept, made = Kept(), []
    for number in range(KEPT_MAX):
        kept.get((str(number),), lambda: "old")
    kept.get(("0",), lambda: "again")
    kept.get(("one more",), lambda: "new")

    assert kept.get(("0",), lambda: "made again") == "old"
    assert kept.get(("1",), lambda: made.append(1) or "made again") == "made again"
    assert made
