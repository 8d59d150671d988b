from pathlib import Path


def test_verdicts_of_two_runs_and_a_gate_taken_apart(lineside, write_folder) -> None:
    folder = write_folder(right=40, wrong=20)
    before = lineside("test", folder, "--json").data["run"]["id"]
    refused = lineside("release", folder, "--json").data["release"]
    answers = Path(folder) / "answers.jsonl"
    answers.write_text(answers.read_text().replace('"delivery"', '"refund"'))
    after = lineside("test", folder, "--json").data["run"]["id"]

    compared = lineside("verdicts", "compare", before, after)
    assert compared.code == 0
    assert compared.out.startswith("Ship: accuracy is 33.3 points higher")
    assert "Won 20, lost 0, tied 40 by accuracy" in compared.out
    back = lineside("verdicts", "compare", after, before, "--guard", "failed=1%")
    assert back.code == 1
    assert back.out.startswith("Hold: accuracy is worse than the baseline")
    assert lineside("verdicts", "compare", after, before, "--margin", "much").code == 2

    board = lineside("verdicts", "board", "post-room", "--json").data
    assert [entry["run_id"] for entry in board["entries"]] == [after, before]
    history = lineside("verdicts", "history", "post-room", "--json").data
    assert [point["standing"] for point in history] == ["better", "first"]
    assert lineside("verdicts", "themes", before, "--json").data["failed"] == 20
    plan = lineside("verdicts", "plan", before, after, "--margin", "5%").out
    assert "fewest answers" in plan

    explained = lineside("verdicts", "explain", "post-room")
    assert "✗ hold  accuracy >= 0.80, decides" in explained.out
    assert "against it: " in explained.out
    digest = refused["digest"].removeprefix("sha256:")[:8]
    reason = "The twenty cases are of a form we have withdrawn"
    overruled = lineside("verdicts", "override", "post-room", digest, "--reason", reason)
    assert overruled.code == 0
    assert f": {reason}" in overruled.out
    assert "release.overridden" in lineside("ledger", "ls").out
