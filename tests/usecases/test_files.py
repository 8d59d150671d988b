import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lineside.core import Invalid, NotFound
from lineside.usecases import check_folder, read_folder

Make = Callable[..., Path]


@pytest.mark.parametrize(
    "path", ["../topics.txt", "/etc/passwd", "a/../../topics.txt", "~/x", "C:/x", "a\\\\b"]
)
def test_a_path_that_leads_out_of_the_folder_is_refused(make: Make, path: str) -> None:
    (make().parent / "topics.txt").write_text("secret\n")

    [problem] = check_folder(make(("{enum: topics.txt}", f'{{enum: "{path}"}}')))

    assert (problem.line, problem.code) == (12, "path_outside")
    assert "Copy the file into the folder" in str(problem.hint)


def test_a_link_that_leads_out_of_the_folder_is_refused(make: Make) -> None:
    folder = make()
    outside = folder.parent / "outside.txt"
    outside.write_text("secret\n")
    (folder / "topics.txt").unlink()
    (folder / "topics.txt").symlink_to(outside)

    [problem] = check_folder(folder)

    assert (problem.line, problem.code) == (12, "path_outside")


def test_a_link_that_stays_inside_is_read(make: Make) -> None:
    folder = make()
    (folder / "topics.txt").rename(folder / "real.txt")
    (folder / "topics.txt").symlink_to("real.txt")

    assert check_folder(folder) == []


def test_a_missing_file_names_the_nearest_one(make: Make) -> None:
    [problem] = check_folder(make(("datasets/golden.jsonl", "dataset/golden.jsonl")))

    assert problem.text == (
        "usecase.yaml:15: read `dataset/golden.jsonl`, which is not in the folder, "
        "expected a file that is there"
    )
    assert problem.hint == "Did you mean `datasets/golden.jsonl`?"


def test_a_pipe_or_a_folder_in_place_of_a_file_does_not_block(make: Make) -> None:
    folder = make(("model:", "prompt: datasets\n  model:"))
    (folder / "topics.txt").unlink()
    os.mkfifo(folder / "topics.txt")

    problems = check_folder(folder)

    assert [(p.line, p.read) for p in problems] == [(12, "`topics.txt`"), (13, "`datasets`")]


def test_a_file_too_large_for_a_manifest_is_refused(make: Make) -> None:
    folder = make()
    (folder / "topics.txt").write_bytes(b"x" * (1024 * 1024 + 1))

    [problem] = check_folder(folder)

    assert (problem.line, problem.code) == (12, "too_large")


def test_other_files_of_the_folder_can_be_read_and_no_others(make: Make) -> None:
    folder = read_folder(make())

    assert b"renew" in folder.read_file("datasets/golden.jsonl")
    with pytest.raises(NotFound, match="inside the use case folder"):
        folder.read_file("../outside.txt")
    with pytest.raises(NotFound) as caught:
        folder.read_file("datasets/goldn.jsonl")
    assert caught.value.hint == "Did you mean `datasets/golden.jsonl`?"
    assert not isinstance(caught.value, Invalid)
