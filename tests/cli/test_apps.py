from pathlib import Path


def test_a_good_folder_ships(lineside, good: str) -> None:
    tested = lineside("test", good)

    assert tested.code == 0
    assert tested.out.startswith("Ship: ")
    assert "accuracy >= 0.80" in tested.out
    assert "✓ ship" in tested.out
    assert "channel: mail" in tested.out
    assert "parcel number 60" in tested.out
    assert "✓ Judge the cases: 61 of 61 cases" in tested.err
    assert "next: lineside release" in tested.err


def test_a_bad_folder_is_held(lineside, write_folder) -> None:
    tested = lineside("test", write_folder(right=10, wrong=60))

    assert tested.code == 1
    assert tested.out.startswith("Hold: ")
    assert "✗ hold" in tested.out


def test_too_few_cases_are_not_enough_data(lineside, write_folder) -> None:
    tested = lineside("test", write_folder(right=6))

    assert tested.code == 3
    assert tested.out.startswith("Not enough data: ")
    assert "more cases" in tested.out


def test_failed_cases_are_counted_with_their_reason_and_never_as_zero(
    lineside, write_folder
) -> None:
    tested = lineside("test", write_folder(failed=30))

    assert tested.code == 3
    assert "30 of 30 cases failed" in tested.out
    assert "invalid:" in tested.out
    assert "0.0 %" not in tested.out


def test_a_scorer_that_fails_is_said_though_no_rule_leans_on_it(lineside, good: str) -> None:
    folder = Path(good)
    (folder / "own.py").write_text("def kind(context):\n    raise ValueError('no key')\n")
    manifest = (folder / "usecase.yaml").read_text()
    scorers = "  scorers:\n    - accuracy: exact\n    - kind: {python: 'own.py:kind'}\n  gate:"
    (folder / "usecase.yaml").write_text(manifest.replace("  gate:", scorers))

    tested = lineside("test", good)

    assert tested.code == 0
    assert "`kind`: the scorer failed on 61 answers: ValueError: no key" in tested.err


def test_the_verdict_comes_as_data_with_nothing_beside_it(lineside, good: str) -> None:
    tested = lineside("test", good, "--json")

    assert tested.code == 0
    assert tested.data["gate"]["verdict"]["decision"] == "ship"
    assert tested.data["run"]["cases_total"] == 61
    assert tested.data["wrong"][0]["input"]["message"] == "parcel number 60"


def test_an_unchanged_folder_is_not_judged_again_unless_asked(lineside, good: str) -> None:
    first = lineside("test", good, "--json").data["run"]["id"]

    again = lineside("test", good)
    assert f"Nothing changed since {first}" in again.err
    assert lineside("test", good, "--json", "--fresh").data["run"]["id"] != first


def test_release_says_when_nothing_changed(lineside, good: str) -> None:
    first = lineside("release", good)
    again = lineside("release", good)

    assert (first.code, again.code) == (0, 0), first.err + again.err
    assert "✓ post-room v1 is released" in first.out
    assert "v1: the same release, nothing changed" in again.out
    assert lineside("release", good, "--json").data["is_new"] is False


def test_a_refused_release_says_why_and_cannot_be_deployed(lineside, write_folder) -> None:
    refused = lineside("release", write_folder(right=10, wrong=60))
    digest = lineside("release", "post-room", "--json").data["release"]["digest"]
    deployed = lineside("deploy", "post-room", digest[7:20])

    assert refused.code == 1
    assert "Hold: accuracy is" in refused.out
    assert deployed.code == 1
    assert "was refused by its gate: Hold: accuracy is" in deployed.err
    assert "release.refused" in lineside("ledger", "ls").out


def test_a_release_without_enough_data_is_refused_with_its_own_exit_code(
    lineside, write_folder
) -> None:
    assert lineside("release", write_folder(right=6)).code == 3


def test_a_broken_manifest_is_wrong_use_with_every_line(lineside, good: str) -> None:
    manifest = Path(good) / "usecase.yaml"
    manifest.write_text(manifest.read_text().replace("risk:", "rsik:"))

    tested = lineside("test", good)

    assert tested.code == 2
    assert "error: usecase.yaml:1: read the manifest without `risk`" in tested.err
    assert "usecase.yaml:4: read `rsik`" in tested.err
    assert "Did you mean `risk`?" in tested.err


def test_deploy_prints_a_call_to_copy_and_the_page(lineside, good: str) -> None:
    lineside("release", good)

    deployed = lineside("deploy", "post-room", "--knob", "hand_off_below=0.4")

    assert deployed.code == 0
    assert "100 % get v1 (live)" in deployed.out
    assert "hand_off_below = 0.4" in deployed.out
    call = next(line for line in deployed.out.splitlines() if "curl" in line)
    assert "http://127.0.0.1:7710/api/usecases/post-room/run" in call
    assert '{"input":{"message":"' in call
    assert "http://127.0.0.1:7710/usecases/post-room" in deployed.out


def test_a_folder_names_its_use_case(lineside, good: str, monkeypatch) -> None:
    lineside("release", good)
    monkeypatch.chdir(good)

    assert lineside("deploy").code == 0
    assert lineside("deploy", ".", "v1", "--json").data["rollout"]["use_case"] == "post-room"


def test_a_canary_and_the_way_back(lineside, good: str) -> None:
    lineside("release", good)
    lineside("deploy", "post-room")
    manifest = Path(good) / "usecase.yaml"
    manifest.write_text(manifest.read_text() + "# second\n")
    lineside("release", good)

    canary = lineside("deploy", "post-room", "v2", "--percent", "10")
    assert "90 % get v1 (live), 10 % get v2 (canary)" in canary.out
    back = lineside("rollback", "post-room")
    assert back.code == 0
    assert "100 % get v1 (live)" in back.out


def test_a_knob_out_of_range_is_wrong_use(lineside, good: str) -> None:
    lineside("release", good)

    turned = lineside("deploy", "post-room", "--knob", "hand_off_below=7")

    assert turned.code == 2
    assert "hand_off_below" in turned.err
