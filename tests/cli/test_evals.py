from pathlib import Path


def test_a_run_shows_scores_slices_and_what_went_wrong(lineside, write_folder) -> None:
    lineside("test", write_folder(right=50, wrong=3, failed=2))

    listed = lineside("evals", "ls")
    assert "55 of 55, 2" in listed.out
    assert "candidate of" in listed.out
    run_id = lineside("evals", "ls", "--json").data[0]["id"]
    shown = lineside("evals", "show", run_id)
    assert shown.code == 0
    assert "accuracy" in shown.out
    assert "channel: chat" in shown.out
    assert "parcel number 51" in shown.out
    assert "2 of 55 cases failed" in shown.out
    failed = lineside("evals", "show", "latest", "--only", "failed", "--json").data
    assert [result["standing"] for result in failed["results"]] == ["failed", "failed"]
    assert failed["summary"]["scores"]["accuracy"]["missing"] == 2


def test_two_runs_are_compared_case_by_case(lineside, write_folder) -> None:
    folder = write_folder(right=40, wrong=20)
    before = lineside("test", folder, "--json").data["run"]["id"]
    answers = Path(folder) / "answers.jsonl"
    answers.write_text(answers.read_text().replace('"delivery"', '"refund"'))
    after = lineside("test", folder, "--json").data["run"]["id"]

    compared = lineside("evals", "compare", before, after)

    assert compared.code == 0
    assert "accuracy: candidate minus baseline is +33.3 points" in compared.out
    assert "Better in 20 cases" in compared.out
    assert "Worse in 0 cases: none" in compared.out
    data = lineside("evals", "compare", before, after, "--json").data
    assert data["difference"]["low"] > 0


def test_latest_without_any_run_is_not_found(lineside) -> None:
    shown = lineside("evals", "show", "latest")

    assert shown.code == 2
    assert "hint: " in shown.err
