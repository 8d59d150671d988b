"""What a person does with a fresh installation, command by command."""

import json
import urllib.request
from pathlib import Path


def post(address: str, body: object) -> dict:
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_from_init_to_a_served_call_and_back(lineside, server: str, tmp_path: Path) -> None:
    made = lineside("init", "my-case", "--template", "predict-classify", "--yes")
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "my-case"
    assert lineside("check", str(folder)).returncode == 0

    released = lineside("release", str(folder), "--json")
    assert released.returncode == 0, released.stderr
    assert lineside("deploy", "my-case").returncode == 0
    message = json.loads((folder / "datasets/golden.jsonl").read_text().splitlines()[0])["input"]
    answer = post(f"{server}/api/usecases/my-case/run", {"input": message})
    assert answer["release"] == "v1"
    with urllib.request.urlopen(f"{server}/usecases/my-case", timeout=30) as page:
        assert "my-case" in page.read().decode()

    manifest = folder / "usecase.yaml"
    manifest.write_text(manifest.read_text() + "\n# a second version\n")
    assert lineside("release", str(folder)).returncode == 0
    assert lineside("deploy", "my-case").returncode == 0
    assert lineside("rollback", "my-case").returncode == 0
    assert post(f"{server}/api/usecases/my-case/run", {"input": message})["release"] == "v1"

    exported = tmp_path / "ledger.jsonl"
    assert lineside("ledger", "export", str(exported)).returncode == 0
    assert lineside("ledger", "verify", str(exported)).returncode == 0
    exported.write_text(exported.read_text().replace('my-case"', 'my-cave"', 1))
    changed = lineside("ledger", "verify", str(exported))
    assert changed.returncode == 1
    assert "Entry 0" in changed.stdout
