"""What users lose when a canary becomes live is said at the promotion, with how to prove it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from lineside.apps import deploy, open_line, promoting, proving, release_folder, staged
from lineside.cli.main import run as run_command_line
from lineside.core import Settings
from lineside.server import build
from lineside.trust import Scope, ledger_entries, local_scope
from lineside.usecases import read_folder

PROVE = "lineside knobs prove triage autonomy=act --release v2"
REFUSED = "`autonomy` at `act` is refused from now on: there is evidence for it in v1 alone"


def two_releases(scope: Scope, make_folder: Callable[..., Path]) -> None:
    """Two of them; only the first has evidence for `autonomy` at `act`."""
    for note in ("one", "two"):
        folder = read_folder(make_folder(note=note, gate=["accuracy >= 0.5"]))
        release_folder(scope, folder)
        if note == "one":
            deploy(scope, "triage", "v1")
            assert proving.prove_knob(scope, "triage", "autonomy", "act").decision == "ship"


@pytest.fixture
def releases(scope: Scope, make_folder: Callable[..., Path]) -> None:
    two_releases(scope, make_folder)


@pytest.mark.usefixtures("releases")
def test_a_promotion_names_the_values_it_takes_away_and_how_to_prove_them(scope: Scope) -> None:
    canary = deploy(scope, "triage", "v2", percent=10)
    promoted = deploy(scope, "triage", "v2")

    (ahead,) = canary.unproved
    assert ahead.sentence.startswith("`autonomy` at `act` is refused once v2 is live")
    (lost,) = promoted.unproved
    assert lost.sentence == REFUSED
    assert lost.commands == (PROVE,)
    said = [one.details.get("unproved") for one in ledger_entries(scope) if one.kind == "deploy"]
    assert said == [None, None, {"autonomy": ["act"]}]


@pytest.mark.usefixtures("releases")
def test_what_is_proved_again_is_said_no_more(scope: Scope) -> None:
    deploy(scope, "triage", "v2")
    before = promoting.looked_over(scope, "triage")
    proving.prove_knob(scope, "triage", "autonomy", "act")
    after = promoting.looked_over(scope, "triage")

    assert before
    assert after
    assert [one.sentence for one in before.unproved] == [REFUSED]
    assert after.unproved == ()


@pytest.mark.usefixtures("releases")
def test_what_goes_up_by_steps_says_it_in_the_ledger_when_it_is_live(scope: Scope) -> None:
    staged.start(scope, "triage", "v2", plan={"steps": [0.5, 1]})
    staged.promote(scope, "triage")

    deploys = [one for one in ledger_entries(scope) if one.kind == "deploy"]
    assert deploys[-1].details["unproved"] == {"autonomy": ["act"]}
    assert deploys[-2].details.get("unproved") is None


def test_pages_the_api_and_the_command_say_it(
    tmp_path: Path,
    make_folder: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = Settings(home=tmp_path / "home", flush_seconds=0.05, otlp_grpc_port=0)
    store = open_line(settings)
    two_releases(local_scope(store), make_folder)
    deploy(local_scope(store), "triage", "v2", percent=10)
    store.close()
    monkeypatch.setenv("LINESIDE_HOME", str(settings.home))
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        ahead = client.get("/usecases/triage/rollout").text
    capsys.readouterr()
    assert run_command_line(["deploy", "triage", "v2"]) == 0
    warned = capsys.readouterr().err
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        shown = [client.get(f"/usecases/triage/{page}").text for page in ("rollout", "knobs")]
        told = client.get("/api/usecases/triage/rollout").json()
        again = client.post("/api/usecases/triage/deploy", json={"release": "v1"}).json()

    assert "is refused once v2 is live" in ahead
    assert f"warning: {REFUSED}\nhint: {PROVE}\n" in warned
    for text in shown:
        assert "is refused from now on" in text
        assert PROVE in text
    assert told["unproved"][0]["values"] == ["act"]
    assert told["unproved"][0]["sentence"] == REFUSED
    assert again["unproved"] == []
