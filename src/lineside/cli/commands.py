"""How commands look and are found: late, with examples, and by their nearest name."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple, TypeVar

import click

from lineside.core import Invalid, did_you_mean

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Spoken(click.Command):
    """A command whose help ends with lines to copy."""

    def __init__(self, *arguments: Any, examples: tuple[str, ...] = (), **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 # click's signature
        _write_examples(self.examples, formatter)


class Late(NamedTuple):
    """A command that is not imported yet: where it stands, and what the list of commands says."""

    section: str
    place: str
    help: str


class Commands(click.Group):
    """A group that imports a command when it is called and knows the nearest name to a wrong one.

    Args:
        late: Name to command, in the order and sections in which help shows them.
    """

    command_class = Spoken

    def __init__(
        self,
        *arguments: Any,
        late: Mapping[str, Late] | None = None,
        examples: tuple[str, ...] = (),
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.late = dict(late or {})
        self.examples = examples

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 # click's signature
        return [*self.late, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        late = self.late.get(cmd_name)
        if late is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = late.place.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise AssertionError(f"{late.place} is no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word, names = args[0], self.list_commands(ctx)
        if word not in names and not word.startswith("-"):
            near = did_you_mean(word, names)
            question = f"Did you mean `{ctx.command_path} {near}`? " if near else ""
            raise Invalid(
                "unknown_command",
                f"There is no command `{ctx.command_path} {word[:60]}`",
                hint=f"{question}`{ctx.command_path} --help` lists them all.",
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 # click's signature
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, late in self.late.items():
            sections.setdefault(late.section, []).append((name, late.help))
        for name, command in self.commands.items():
            row = (name, command.get_short_help_str(limit=70))
            sections.setdefault("Commands", []).append(row)
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 # click's signature
        _write_examples(self.examples, formatter)


def json_option(command: Decorated) -> Decorated:
    """Give a command `--json`."""
    option = click.option(
        "--json", "as_json", is_flag=True, help="Print data only, as one JSON document."
    )
    return option(command)


def _write_examples(examples: tuple[str, ...], formatter: click.HelpFormatter) -> None:
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")
