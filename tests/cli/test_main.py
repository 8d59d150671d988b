import json
import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from lineside.cli.main import root, run
from lineside.core import Conflict, Denied, Invalid, LinesideError, NotFound, Unavailable

HEAVY = (
    "fastapi", "duckdb", "sklearn", "sqlalchemy", "scipy", "pydantic", "numpy", "dbos", "rich",
    "aiohttp", "wordllama", "uvicorn", "yaml",
)  # fmt: skip


def leaves(
    command: click.Command = root, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with the words that call it."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from leaves(inner, (*path, name))


def loaded_after(statement: str) -> set[str]:
    """Top-level modules that a fresh Python holds after a statement."""
    script = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_importing_lineside_imports_nothing_heavy() -> None:
    assert not loaded_after("import lineside") & {*HEAVY, "click"}


def test_help_imports_nothing_heavy() -> None:
    assert not loaded_after("from lineside.cli.main import run; run(['--help'])") & set(HEAVY)


def test_help_of_the_root_lists_every_command_and_imports_none(lineside) -> None:
    ended = lineside("--help")

    assert ended.code == 0
    for word in ("demo", "init", "check", "test", "release", "deploy", "rollback", "up", "evals",
                 "keys", "ledger", "doctor", "usecases", "Exit codes"):  # fmt: skip
        assert word in ended.out


@pytest.mark.parametrize("path", [path for path, _ in leaves()], ids=" ".join)
def test_every_command_shows_an_example_and_takes_json(lineside, path: tuple[str, ...]) -> None:
    ended = lineside(*path, "--help")

    assert ended.code == 0
    assert "--json" in ended.out
    assert f"\n  lineside {' '.join(path)}" in ended.out.partition("Examples:")[2]
    assert max(map(len, ended.out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("relase",), "lineside release"),
        (("ledger", "verfy"), "lineside ledger verify"),
        (("evals", "comprae"), "lineside evals compare"),
    ],
)
def test_an_unknown_command_gets_the_nearest_word(lineside, words: tuple[str, ...], meant) -> None:
    ended = lineside(*words)

    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith(f"error: There is no command `lineside {' '.join(words)}`")
    assert f"hint: Did you mean `{meant}`?" in ended.err


def test_an_unknown_option_is_wrong_use_with_the_way_to_help(lineside) -> None:
    ended = lineside("keys", "ls", "--jsn")

    assert ended.code == 2
    assert "--jsn" in ended.err
    assert "hint: `lineside keys ls --help` shows how it is used" in ended.err


def test_a_missing_argument_is_wrong_use(lineside) -> None:
    ended = lineside("keys", "revoke")

    assert ended.code == 2
    assert "error: Missing argument 'ID'" in ended.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Invalid("a", "Not so", hint="Do this"), 2),
        (NotFound("a", "Not so", hint="Do this"), 2),
        (Conflict("a", "Not so", hint="Do this"), 1),
        (Denied("a", "Not so", hint="Do this"), 1),
        (Unavailable("a", "Not so", hint="Do this"), 1),
    ],
)
def test_each_kind_of_error_has_its_exit_code_and_its_hint(
    lineside, monkeypatch: pytest.MonkeyPatch, error: LinesideError, code: int
) -> None:
    ended = with_broken_command(lineside, monkeypatch, error)

    assert (ended.code, ended.out, ended.err) == (code, "", "error: Not so\nhint: Do this\n")


def test_ctrl_c_ends_clean(lineside, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = with_broken_command(lineside, monkeypatch, KeyboardInterrupt())

    assert ended.code == 130
    assert ended.err.strip() == "Stopped"


def test_a_mistake_of_ours_shows_no_traceback(lineside, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = with_broken_command(lineside, monkeypatch, ZeroDivisionError("by zero"))

    assert ended.code == 1
    assert "error: A mistake in lineside itself: ZeroDivisionError: by zero" in ended.err
    assert "hint: Run it again with LINESIDE_DEBUG=1" in ended.err
    assert "Traceback" not in ended.err


def test_debugging_shows_the_traceback(lineside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINESIDE_DEBUG", "1")

    with pytest.raises(Conflict):
        with_broken_command(lineside, monkeypatch, Conflict("a", "Not so"))


def test_a_reader_that_closes_early_is_no_error(tmp_path) -> None:
    environment = os.environ | {"LINESIDE_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m lineside evals show --help | head -n 1"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )

    assert done.stdout.startswith("Usage:")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("check", "nowhere"), 2),
        (("test", "nowhere"), 2),
        (("release", "nowhere"), 2),
        (("deploy", "nobody"), 2),
        (("deploy",), 2),
        (("rollback", "nobody"), 1),
        (("deploy", "nobody", "--knob", "loud"), 2),
        (("evals", "show", "run_nothing"), 2),
        (("evals", "compare", "run_a", "run_b"), 2),
        (("keys", "revoke", "key_nothing"), 2),
        (("keys", "create", "web", "--right", "fly"), 2),
        (("keys", "create", "web", "--right", "run", "--expires", "soon"), 2),
        (("ledger", "proof", "7"), 2),
        (("ledger", "verify", "nowhere.jsonl"), 2),
        (("init", "my-case", "--template", "robot"), 2),
        (("up", "--host", "192.0.2.1"), 1),
        (("demo", "--port", "99999"), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_goes_wrong_is_told_with_what_to_do(lineside, arguments, code: int) -> None:
    ended = lineside(*arguments)

    assert ended.code == code
    assert "hint: " in ended.out + ended.err
    assert "Traceback" not in ended.err


def test_a_state_folder_that_cannot_be_written_is_told_plainly(
    lineside, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody may write there, root neither.
    monkeypatch.setenv("LINESIDE_HOME", "/sys/lineside")

    for arguments in (("keys", "ls"), ("up", "--port", "1024"), ("ledger", "head")):
        ended = lineside(*arguments)
        assert ended.code == 1
        assert "error: The state folder `/sys/lineside` cannot be written" in ended.err
        assert "hint: Set LINESIDE_HOME" in ended.err


def with_broken_command(lineside, monkeypatch: pytest.MonkeyPatch, error: BaseException):
    @click.command()
    def broken() -> None:
        raise error

    monkeypatch.setitem(root.commands, "broken", broken)
    return lineside("broken")


def test_run_returns_what_the_shell_gets() -> None:
    assert run(["--version"]) == 0
