"""`lineside keys` and `lineside ledger`: who may, and who did."""

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lineside.cli.commands import Commands, json_option
from lineside.cli.output import local_time, note, print_json, print_table, say, short
from lineside.cli.place import scope_here
from lineside.core import Invalid, now

if TYPE_CHECKING:
    from lineside.trust import LedgerEntry

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@click.group(
    cls=Commands,
    examples=("lineside keys create website --right run --right feedback", "lineside keys ls"),
)
def keys() -> None:
    """API keys: how programs act, each with its own rights."""


@keys.command(examples=("lineside keys create website --right run --use-case support-triage",))
@click.argument("name")
@click.option("--right", "rights", multiple=True, required=True, help="What it may; repeatable.")
@click.option("--use-case", "use_cases", multiple=True, help="Only this use case; repeatable.")
@click.option("--model", "models", multiple=True, help="Only this plain model; `*` as in openai/*.")
@click.option("--team", metavar="NAME", help="Its calls count for this team's budgets, too.")
@click.option("--expires", metavar="90d", help="When it ends: hours (h), days (d), weeks (w).")
@json_option
def create(
    name: str,
    rights: tuple[str, ...],
    use_cases: tuple[str, ...],
    models: tuple[str, ...],
    team: str | None,
    expires: str | None,
    as_json: bool,
) -> None:
    """Make a key. Its secret is shown this once and kept nowhere."""
    expires_at = now() + _duration(expires) if expires else None
    from lineside.trust import create_key

    with scope_here() as scope:
        key, secret = create_key(
            scope,
            name,
            rights=rights,
            use_cases=use_cases or None,
            models=models or None,
            team=team,
            expires_at=expires_at,
        )
    if as_json:
        print_json({"key": key, "secret": secret})
        return
    click.echo(secret)
    note(f"Key `{key.name}` ({key.id}) may: {', '.join(key.rights)}")
    note("The secret above is shown this once. Send it as `Authorization: Bearer lsk_…`")


@keys.command("ls", examples=("lineside keys ls", "lineside keys ls --json"))
@json_option
def list_all(as_json: bool) -> None:
    """List all keys, without their secrets."""
    from lineside.trust import list_keys

    with scope_here() as scope:
        found = list_keys(scope)
    if as_json:
        print_json(found)
        return
    if not found:
        note("No keys yet; programs elsewhere need one: `lineside keys create NAME --right run`")
        return
    print_table(
        ("name", "id", "team", "may", "only", "state", "last used"),
        [
            (
                key.name,
                key.id,
                key.team or "",
                ", ".join(key.rights),
                ", ".join([*(key.use_cases or ()), *(key.models or ())]) or "everything",
                "revoked" if key.revoked_at else "works" if key.is_usable else "expired",
                local_time(key.last_used_at),
            )
            for key in found
        ],
        whole=("id",),
    )


@keys.command(examples=("lineside keys revoke key_01k3abcdefghjkmnpqrstvwxyz",))
@click.argument("key_id", metavar="ID")
@json_option
def revoke(key_id: str, as_json: bool) -> None:
    """Take a key back, at once and for good."""
    from lineside.trust import revoke_key

    with scope_here() as scope:
        key = revoke_key(scope, key_id)
    if as_json:
        print_json(key)
        return
    say(f"Revoked `{key.name}` ({key.id}); it opens nothing from now on")


@click.group(cls=Commands, examples=("lineside ledger ls", "lineside ledger verify ledger.jsonl"))
def ledger() -> None:
    """The append-only log of everything decided, which an outsider can verify."""


@ledger.command("ls", examples=("lineside ledger ls", "lineside ledger ls --kind release.refused"))
@click.option("--kind", help="Only this kind, such as `release.created`.")
@click.option("--subject", help="Only what was decided about this id.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@json_option
def list_entries(kind: str | None, subject: str | None, limit: int, as_json: bool) -> None:
    """List what was decided, newest first."""
    from lineside.trust import ledger_entries

    with scope_here() as scope:
        entries = ledger_entries(scope, kind=kind, subject=subject, limit=limit, newest_first=True)
    if as_json:
        print_json(entries)
        return
    if not entries:
        note("Nothing was decided yet: releases, refusals, deploys and keys will stand here")
        return
    print_table(
        ("entry", "when", "who", "what", "about"),
        [
            (
                entry.index,
                local_time(entry.at),
                entry.actor.name,
                entry.kind,
                _about(entry),
            )
            for entry in entries
        ],
        numbers=("entry",),
    )


@ledger.command(examples=("lineside ledger head > head.txt",))
@json_option
def head(as_json: bool) -> None:
    """Print the newest signed head; kept elsewhere, it later proves that nothing was rewritten."""
    from lineside.trust import proofs

    with scope_here() as scope:
        checkpoint = proofs.ledger_head(scope)
    if as_json:
        origin, size, root = checkpoint.split("\n")[:3]
        value = {"origin": origin, "size": int(size), "root": root, "checkpoint": checkpoint}
        print_json(value)
        return
    click.echo(checkpoint, nl=False)


@ledger.command(examples=("lineside ledger export ledger.jsonl", "lineside ledger export -"))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=Path("-"))
@json_option
def export(file: Path, as_json: bool) -> None:
    """Write the whole ledger as JSON Lines, to FILE or to stdout (`-`)."""
    from lineside.trust import export_ledger

    to_stdout = str(file) == "-"
    if to_stdout and as_json:
        raise Invalid(
            "no_file_named",
            "With --json the ledger itself cannot go to stdout as well",
            hint="Name a file: `lineside ledger export ledger.jsonl --json`.",
        )
    count = 0
    with scope_here() as scope, click.open_file(str(file), "w", "utf-8", atomic=True) as target:
        for line in export_ledger(scope):
            target.write(line)
            count += 1
    if as_json:
        print_json({"file": str(file), "lines": count, "bytes": file.stat().st_size})
    elif not to_stdout:
        note(f"Wrote `{file}`. Anybody can check it: `lineside ledger verify {file}`")


@ledger.command(examples=("lineside ledger verify", "lineside ledger verify ledger.jsonl"))
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--head",
    "head_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A head that was kept elsewhere; the ledger must contain all it signed.",
)
@click.option("--key", help="The ledger's public key as you know it; else the file's own counts.")
@json_option
def verify(file: Path | None, head_file: Path | None, key: str | None, as_json: bool) -> int:
    """Say whether the ledger holds, or name the first entry that does not.

    Without FILE, the ledger in the database; with FILE, an exported one, without any state folder.
    """
    from lineside.trust import verify_export, verify_ledger

    expected = head_file.read_text("utf-8") if head_file else None
    if file is not None:
        with file.open("rb") as lines:
            outcome = verify_export(lines, expected_checkpoint=expected, known_key=key)
    else:
        with scope_here() as scope:
            outcome = verify_ledger(scope, expected_checkpoint=expected)
    if as_json:
        print_json({**outcome.model_dump(mode="json"), "sentence": outcome.sentence})
    elif outcome.ok:
        say(f"✓ {outcome.sentence}")
        say(f"  Signed by {outcome.verifier_key}")
        if file is not None and key is None:
            note("hint: Compare that key with the one you know, or give it with --key")
    else:
        say("✗ The ledger does not hold; the first thing wrong:", style="bold")
        say(f"  {outcome.sentence}")
        say(f"  Every entry before that holds: {outcome.size} of them")
    return 0 if outcome.ok else 1


@ledger.command(examples=("lineside ledger proof 3 --json",))
@click.argument("index", type=click.IntRange(min=0))
@json_option
def proof(index: int, as_json: bool) -> None:
    """Prove that entry INDEX stands in the ledger (RFC 6962 inclusion proof)."""
    from lineside.trust import proofs

    with scope_here() as scope:
        found = proofs.inclusion_proof(scope, index)
    if as_json:
        print_json(found)
        return
    say(f"Entry {found.index} of {found.size}")
    click.echo(f"leaf  {found.leaf_hash}")
    for step in found.path:
        click.echo(f"path  {step}")
    click.echo(f"\n{found.checkpoint}", nl=False)


def _about(entry: "LedgerEntry") -> str:
    """The subject as people know it: the use case and release rather than an id."""
    details: dict[str, Any] = entry.details
    name = details.get("use_case") or details.get("name")
    if not name:
        return entry.subject
    traffic = details.get("traffic")
    if isinstance(traffic, dict):
        return f"{name}: " + ", ".join(f"{label} {share}" for label, share in traffic.items())
    if "release" in details:
        return short(f"{name} {details['release']}. {details.get('why', '')}", characters=90)
    return str(name)


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,5})([hdw])", text.strip())
    if found is None:
        raise Invalid(
            "bad_duration",
            f"Not a duration: `{text[:40]}`",
            hint="Write a number and h, d or w, such as `90d`.",
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
