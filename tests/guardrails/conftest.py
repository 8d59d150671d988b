from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def guarded_folder(make_folder: Callable[..., Path]) -> Callable[[str], Path]:
    """A use case with guards of one's own choice; its model knows the messages it is told of."""

    def make(guards: str, **files: str) -> Path:
        folder = make_folder()
        for name, content in files.items():
            (folder / f"{name}.py").write_text(content)
        with (folder / "usecase.yaml").open("a") as manifest:
            manifest.write(f"\nguards:\n{guards}")
        return folder

    return make
