import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lineside.usecases import check_folder, read_folder

Make = Callable[..., Path]


def test_a_right_folder_has_no_problems(make: Make) -> None:
    assert check_folder(make()) == []


def test_windows_line_ends_and_a_byte_order_mark_read_like_any_other(make: Make) -> None:
    folder = make()
    plain = read_folder(folder)
    data = (folder / "usecase.yaml").read_bytes()
    (folder / "usecase.yaml").write_bytes(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
    (folder / "topics.txt").write_bytes(b"\xef\xbb\xbfloan\r\ncard\r\n")

    windows = read_folder(folder)

    assert windows.manifest == plain.manifest
    assert windows.output_schema == plain.output_schema


def test_lines_are_counted_the_same_with_windows_line_ends(make: Make) -> None:
    folder = make(("risk: limited", "risk: big"))
    file = folder / "usecase.yaml"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))

    assert [problem.line for problem in check_folder(folder)] == [6]


def test_a_repeated_name_shows_both_lines(make: Make) -> None:
    [problem] = check_folder(make(add="risk: high\n"))

    assert problem.text == (
        "usecase.yaml:18: read `risk` a second time (first on line 6), expected each name once"
    )
    assert problem.hint == "Keep one of the lines 6 and 18."


def test_a_yaml_bomb_is_refused_quickly_and_in_little_memory(make: Make) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )
    folder = make(add=bomb)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()

    [problem] = check_folder(folder)

    assert time.process_time() - started < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 50_000
    assert (problem.line, problem.read, problem.code) == (18, "`&a0`", "alias")
    assert "write the value out" in str(problem.hint)


@pytest.mark.parametrize(
    ("content", "line", "read", "hint"),
    [
        (b"", 1, "an empty file", "lineside init"),
        (b"# nothing\n", 1, "an empty file", "lineside init"),
        (b"- name\n", 1, "a list", "a name, a colon and a value"),
        (b"name\n", 1, "`name`", "a name, a colon and a value"),
        (b"name: a\nproblem:\n\twho: b\n", 3, "a tab at the start of the line", "two spaces"),
        (b"name: a\nowner: \xe9quipe\n", 2, "a byte 0xe9 that is not UTF-8", "UTF-8"),
        (b"name: a\n---\nname: b\n", 2, "a second document after `---`", "Remove the line"),
        (b"name: a\nowner: the team: ours\n", 2, "`owner: the team: ours`", "quotes"),
        (b"name: a\nknobs: [1, 2\nrisk: low\n", 3, "`risk: low`", "brackets"),
        (b"name: a\x00b\n", 1, "`name: a\\x00b`", "Look at"),
        (b"name: !!python/object:os.system x\n", 1, "`!!python/object:os.system`", "Tags"),
        (b"a: " + b"[" * 50_000, 1, "more than 24 levels", "short"),
        (b"a: [" + b"1, " * 60_000 + b"]", 1, "more than 20000 values", "short"),
        (b"? [a, b]\n: c\n", 1, "a list as a name", "after the colon"),
    ],
)
def test_a_file_that_is_no_manifest_says_why_and_where(
    make: Make, content: bytes, line: int, read: str, hint: str
) -> None:
    folder = make()
    (folder / "usecase.yaml").write_bytes(content)

    problem = check_folder(folder)[0]

    assert (problem.line, problem.read) == (line, read)
    assert hint in str(problem.hint)


def test_a_huge_file_is_refused_by_its_size(make: Make) -> None:
    folder = make(add="# " + "x" * 300_000)

    [problem] = check_folder(folder)

    assert (problem.code, problem.line) == ("too_large", None)
    assert "262144" in problem.text


def test_words_that_old_yaml_turns_into_something_else_stay_texts(make: Make) -> None:
    folder = make(("{enum: topics.txt}", "{enum: [yes, no, on, 2024-01-01, 1:30]}"))
    (folder / "answers.jsonl").write_text(
        '{"when": {"default": true}, "output": {"topic": "yes", "confidence": 1}}\n'
    )

    choices = read_folder(folder).output_schema["properties"]["topic"]["enum"]

    assert choices == ["yes", "no", "on", "2024-01-01", "1:30"]
