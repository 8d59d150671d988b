from collections.abc import Callable
from pathlib import Path

import pytest

from lineside.core import Invalid
from lineside.usecases import check_folder, read_files, read_folder

Make = Callable[..., Path]


def test_reading_raises_every_problem_with_its_hint(make: Make) -> None:
    folder = make(("risk: limited", "risk: some"), ("owner: desk-team", "onwer: desk-team"))

    with pytest.raises(Invalid) as caught:
        read_folder(folder)

    assert caught.value.code == "manifest_invalid"
    lines = caught.value.message.splitlines()
    assert [line.split(" ")[0] for line in lines if "hint" not in line] == [
        "usecase.yaml:1:",
        "usecase.yaml:6:",
        "usecase.yaml:7:",
    ]
    assert "  hint: Did you mean `owner`?" in lines
    assert str(folder) in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "read"), [("absent", "no such folder"), ("file.txt", "a file"), ("usecase.yaml", "a")]
)
def test_what_is_no_folder_is_said_to_be_none(tmp_path: Path, name: str, read: str) -> None:
    (tmp_path / "file.txt").touch()
    (tmp_path / "usecase.yaml").touch()

    [problem] = check_folder(tmp_path / name)

    assert (problem.code, problem.line) == ("not_a_folder", None)
    assert read in problem.text
    assert "older" in str(problem.hint)
    with pytest.raises(Invalid, match="use case folder"):
        read_folder(tmp_path / name)


def test_a_folder_without_a_manifest_points_to_init(tmp_path: Path) -> None:
    (tmp_path / "usecase.yml").touch()

    [problem] = check_folder(tmp_path)

    assert problem.code == "no_manifest"
    assert problem.hint == (
        "Did you mean `usecase.yml`? `lineside init` writes a new folder with one."
    )


def test_a_folder_holds_what_its_manifest_refers_to_and_no_data(make: Make) -> None:
    folder = make(("model:", "prompt: prompts/ask.md\n  model:"))
    (folder / "prompts").mkdir()
    (folder / "prompts" / "ask.md").write_text("Sort it.")
    (folder / "notes.txt").write_text("not part of it")

    read = read_folder(folder)

    assert sorted(read.files) == ["prompts/ask.md", "topics.txt", "usecase.yaml"]
    assert read.prompt == "Sort it."


def test_the_files_of_a_folder_read_the_same_without_the_folder(make: Make) -> None:
    folder = read_folder(make())

    held = read_files(folder.files)

    assert held == held.__class__(**{**vars(folder), "path": None})
    assert held.path is None


def test_files_without_one_that_the_manifest_names_are_refused(make: Make) -> None:
    files = dict(read_folder(make()).files)
    del files["topics.txt"]

    with pytest.raises(Invalid, match=r"usecase.yaml:12: read `topics.txt`, which is not"):
        read_files(files)
