"""The command `lineside`: which commands there are, and what errors and exit codes they end in."""

import gc
import os
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

import click

import lineside
from lineside.cli.commands import Commands, Late
from lineside.core import Invalid, LinesideError, NotFound

DONE = 0
HOLD = 1
WRONG_USE = 2
NOT_ENOUGH_DATA = 3
_STOPPED = 130
_PIPE_CLOSED = 141
_HELP_HINT = "`{} --help` shows how it is used."

_LINE, _LOOK, _TRUST, _MACHINE = "The line", "Look", "Trust", "This machine"
_ROOMS = "lineside.cli"

_COMMANDS = {
    "init": Late(_LINE, f"{_ROOMS}.usecases:init", "Begin a use case: ask, advise, write a folder"),
    "check": Late(
        _LINE, f"{_ROOMS}.usecases:check", "Find every mistake in a folder, with its line"
    ),
    "test": Late(_LINE, f"{_ROOMS}.apps:test", "Judge a folder: ship, hold, or not enough data"),
    "release": Late(_LINE, f"{_ROOMS}.apps:release", "Make a release, if the gate says ship"),
    "deploy": Late(_LINE, f"{_ROOMS}.apps:deploy_command", "Send traffic to a release"),
    "shadow": Late(_LINE, f"{_ROOMS}.apps:shadow_command", "Copy calls to a release unseen"),
    "rollback": Late(_LINE, f"{_ROOMS}.apps:rollback", "Go back to what was live before"),
    "batch": Late(_LINE, f"{_ROOMS}.batch:batch", "Answer every row of a file by a release"),
    "knobs": Late(_LINE, f"{_ROOMS}.knobs:knobs", "What may be turned, and what was tested"),
    "usecases": Late(
        _LOOK, f"{_ROOMS}.usecases:usecases", "What use cases there are, what is live"
    ),
    "evals": Late(_LOOK, f"{_ROOMS}.evals:evals", "Runs: list them, look into one, compare two"),
    "verdicts": Late(
        _LOOK, f"{_ROOMS}.verdict_commands:verdicts", "Which run is better, and how sure we are"
    ),
    "datasets": Late(
        _LOOK, f"{_ROOMS}.datasets:datasets", "Test cases: list, show, compare, bring along"
    ),
    "judges": Late(
        _LOOK, f"{_ROOMS}.judges:judges", "LLM judges: hold them against people, license them"
    ),
    "reviews": Late(_LOOK, f"{_ROOMS}.reviews:reviews", "People judge answers: open, look, export"),
    "guards": Late(_LINE, f"{_ROOMS}.guards:guards", "Guards: list, try on a text, prove they act"),
    "traces": Late(_LOOK, f"{_ROOMS}.traces:traces", "What happened: list, search, count, export"),
    "prices": Late(_LOOK, f"{_ROOMS}.prices:prices", "What models cost: list, set, show"),
    "budgets": Late(_TRUST, f"{_ROOMS}.budgets:budgets", "What calls may take: set, list, show"),
    "privacy": Late(
        _TRUST, f"{_ROOMS}.privacy:privacy", "What is masked, and how long traces are kept"
    ),
    "keys": Late(_TRUST, f"{_ROOMS}.trust:keys", "API keys: make, list, revoke"),
    "webhooks": Late(
        _TRUST, f"{_ROOMS}.webhooks:webhooks", "Tell other programs of what is decided"
    ),
    "ledger": Late(_TRUST, f"{_ROOMS}.trust:ledger", "What was decided: list, export, verify"),
    "up": Late(_MACHINE, f"{_ROOMS}.up:up", "Run the server: pages and API on this machine"),
    "flush": Late(_MACHINE, f"{_ROOMS}.flush:flush", "Move what was received into the lake now"),
    "doctor": Late(_MACHINE, f"{_ROOMS}.doctor:doctor", "Check that everything here is in order"),
    "demo": Late(_MACHINE, f"{_ROOMS}.demo:demo", "Take the example down the whole line"),
}

_HELP = """One production line from an AI use case to a released, watched and proven app.

Data goes to stdout, all else to stderr. Every command takes --json. Exit codes: 0 done or ship,
1 hold or failed check, 2 wrong use, 3 not enough data. State lies in LINESIDE_HOME (.lineside).
"""


@click.group(
    "lineside",
    cls=Commands,
    late=_COMMANDS,
    help=_HELP,
    examples=("lineside demo", "lineside init my-case", "lineside test my-case"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(lineside.__version__, message="lineside %(version)s")
def root() -> None:
    """The root; its commands do the work."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; whatever goes wrong is told on stderr."""
    try:
        code = root.main(list(arguments), prog_name="lineside", standalone_mode=False)
        sys.stdout.flush()
    except LinesideError as error:
        if _is_debugging():
            raise
        is_wrong_use = isinstance(error, Invalid | NotFound)
        otherwise = (
            _HELP_HINT if is_wrong_use else "`lineside doctor` looks for what is wrong here."
        )
        _tell(error.message, error.hint or otherwise.format(_path_of(arguments)))
        return WRONG_USE if is_wrong_use else HOLD
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return WRONG_USE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "lineside"
        _tell(error.format_message().rstrip("."), _HELP_HINT.format(path))
        return WRONG_USE
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped", err=True)
        return _STOPPED
    except BrokenPipeError:
        # Whoever read us has enough; nothing more may be written, not even by Python at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except OSError as error:
        if _is_debugging():
            raise
        place = f": `{error.filename}`" if error.filename else ""
        _tell(f"{error.strerror or error}{place}", "Check the path and its rights, then try again.")
        return HOLD
    except Exception as error:  # the last stop: a person sees no traceback
        if _is_debugging():
            raise
        _tell(
            f"A mistake in lineside itself: {type(error).__name__}: {error}",
            "Run it again with LINESIDE_DEBUG=1 to see where, and report what you see.",
        )
        return HOLD
    return code if isinstance(code, int) else DONE


def main() -> NoReturn:
    """Run the command line this process was started with."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign gets a question mark, not a crash.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    if not sys.warnoptions and not _is_debugging():
        # Warnings of libraries are for those who write code, not for those who run commands.
        warnings.simplefilter("ignore")
    code = run(sys.argv[1:])
    # Python's end would look through all that was imported for what to let go: 0.3 s of CPU.
    gc.freeze()
    sys.exit(code)


def _path_of(arguments: Sequence[str]) -> str:
    """The words of a command line that name its command."""
    words, command = ["lineside"], root
    context = click.Context(root)
    for word in arguments:
        found = command.get_command(context, word)
        if found is None:
            break
        words.append(word)
        if not isinstance(found, Commands):
            break
        command = found
    return " ".join(words)


def _tell(message: str, hint: str | None) -> None:
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)


def _is_debugging() -> bool:
    return os.environ.get("LINESIDE_DEBUG") == "1"
