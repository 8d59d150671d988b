"""A use case whose model is a file on this machine, as a release has it."""

import shutil
from pathlib import Path

import pytest

from gateway.weights import SMALL, with_gguf
from lineside.apps.app import open_app
from lineside.apps.candidate import build_candidate
from lineside.core import Conflict
from lineside.gateway.gguf import find_weights
from lineside.trust import Scope
from lineside.usecases import UseCaseFolder, read_folder

pytestmark = with_gguf


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("LINESIDE_MODELS", str(folder))
    return Path(shutil.copy(find_weights(SMALL), folder / "small.gguf"))


@pytest.fixture
def folder(make_folder, weights: Path) -> UseCaseFolder:
    """A use case with a copy of the small model."""
    path = make_folder()
    manifest = path / "usecase.yaml"
    told = "model: gguf:small.gguf\n  options: {max_tokens: 60, threads: 1, context_tokens: 1024}"
    manifest.write_text(manifest.read_text().replace("model: scripted:answers.jsonl", told))
    return read_folder(path)


def test_other_weights_make_another_release_and_do_not_serve_for_the_first(
    scope: Scope, folder: UseCaseFolder, weights: Path
) -> None:
    first = build_candidate(scope, folder)
    assert build_candidate(scope, folder).digest == first.digest
    open_app(scope.store, first)

    with weights.open("ab") as file:
        file.write(b"more")

    assert build_candidate(scope, folder).digest != first.digest
    with pytest.raises(Conflict, match="not the model that was released"):
        open_app(scope.store, first)
