import json
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
    assert "may each be first" not in lineside("verdicts", "board", "post-room").out
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


def pairs(*verdicts: tuple[str, dict[str, object]]) -> str:
    """A scripted judge of pairs, for one cent a call."""
    lines = [
        {"when": when, "output": {"reason": "So.", "verdict": verdict}, "cost_usd": 0.01}
        for verdict, when in verdicts
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


PAIRS = pairs(
    ("first", {"first": "delivery", "second": "refund"}),
    ("second", {"first": "refund", "second": "delivery"}),
    ("tie", {"default": True}),
)


def test_a_judge_compares_the_answers_of_two_runs(lineside, place: Path, write_folder) -> None:
    folder = write_folder(right=40, wrong=20)
    before = lineside("test", folder, "--json").data["run"]["id"]
    answers = Path(folder) / "answers.jsonl"
    answers.write_text(answers.read_text().replace('"refund"}', '"delivery"}'))
    after = lineside("test", folder, "--json").data["run"]["id"]
    (place / "pairs.jsonl").write_text(PAIRS)
    judge = "- better: {judge_pairwise: {model: 'scripted:pairs.jsonl', field: topic}}\n"
    (place / "judges.yaml").write_text(judge)
    asked = ["verdicts", "pairwise", before, after, "--scorers", "judges.yaml"]

    foreseen = lineside(*asked, "--dry-run")
    found = lineside(*asked, "--goal", "better")
    again = lineside(*asked, "--json").data
    nobody = lineside("verdicts", "pairwise", before, after)

    assert "60 pairs, 120 calls of the judge, cost unknown" in foreseen.out
    assert "Nobody knows yet what a call of `better` costs" in foreseen.err
    assert found.code == 3
    assert found.out.startswith("Not enough data: judge not licensed: nobody has held `better`")
    assert "The judge: 120 calls, 1.2 USD" in found.out
    assert again["run_id"] in found.err
    won, tied = again["flips"]["won_total"], again["flips"]["tied_total"]
    assert (won + tied, f"Won {won}, lost 0, tied {tied} by better" in found.out) == (60, True)
    assert won > 0
    assert nobody.code == 2
    assert "Neither run has a judge of the kind `judge_pairwise`" in nobody.err
    told = lineside(*asked, "--fresh", "--dry-run").out
    assert "60 pairs, 120 calls of the judge, 1.2 USD" in told
