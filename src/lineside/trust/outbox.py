"""What is told to webhooks, written down in the transaction of what it tells of.

Whoever decides or notices something calls `emit` inside its own transaction; a message lies there
then for every webhook that wants it, or nothing happened at all. The server delivers them.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from lineside.core import new_id, now
from lineside.trust.queries import (
    Connection,
    delete_told,
    insert_if_absent,
    select_listeners,
    select_told,
    update_told,
    webhook_messages,
)

GROUPS: dict[str, tuple[str, ...]] = {
    "verdict": ("release.*", "knob.judged"),
    "rollout": ("deploy", "rollback", "rollout.*", "shadow.*"),
    "budget": ("budget.*",),
    "alert": ("alert.*", "guards.*"),
}
"""What may be asked for by one word: the kinds of event that it stands for."""

DATA_BYTES_MAX = 8 * 1024
_TEXT_CHARACTERS_MAX = 600
_WORDS = ("use_case", "release", "name", "knob", "session")
_PAGES = {"rel_": "/releases/", "rev_": "/reviews/", "lic_": "/judges/", "cap_": "/budgets#"}


def emit(
    connection: Connection,
    workspace: str,
    kind: str,
    *,
    subject: str,
    sentence: str,
    use_case: str | None = None,
    link: str | None = None,
    more: Mapping[str, Any] | None = None,
    once: str | None = None,
) -> None:
    """Leave a message for every webhook of a workspace that wants this kind of event.

    Args:
        subject: Id or name of what it is about.
        sentence: As people read it; never what users asked or got.
        link: Path of a page about it.
        more: Further small facts, such as numbers.
        once: Names this very event, where it may be noticed again and again; told once then.
    """
    wanting = [one for one in select_listeners(connection, workspace) if wants(one, kind, use_case)]
    if not wanting:
        return
    at, message_id = now(), new_id("msg")
    payload = {
        "type": kind,
        "timestamp": at.isoformat().replace("+00:00", "Z"),
        "data": {
            "workspace": workspace,
            "use_case": use_case,
            "subject": subject,
            "sentence": sentence[:_TEXT_CHARACTERS_MAX],
            "link": link or _page_of(subject),
            **(more or {}),
        },
    }
    for one in wanting:
        values = {
            "webhook_id": one["id"],
            "id": message_id,
            "workspace": workspace,
            "type": kind,
            "payload": payload,
            "once": once,
            "status": "waiting",
            "attempts": 0,
            "next_at": at,
            "created_at": at,
        }
        insert_if_absent(connection, webhook_messages, values)


def told(connection: Connection, workspace: str, kinds: Sequence[str]) -> list[dict[str, Any]]:
    """Messages of some kinds, also those that were delivered: whose, id, payload and `once`."""
    return select_told(connection, workspace, kinds)


def retell(connection: Connection, message: Mapping[str, Any]) -> None:
    """Put what a message says anew."""
    update_told(connection, message)


def untell(connection: Connection, messages: Sequence[Mapping[str, Any]]) -> None:
    """Forget messages; those that were not delivered yet are not any more."""
    for message in messages:
        delete_told(connection, message)


def wants(webhook: Mapping[str, Any], kind: str, use_case: str | None) -> bool:
    """Whether a webhook is told of an event; one of a use case is told of nothing else."""
    if webhook["use_case"] is not None and webhook["use_case"] != use_case:
        return False
    return any(
        fnmatchcase(kind, pattern)
        for word in webhook["events"]
        for pattern in GROUPS.get(word, (word,))
    )


def sentence_of(actor: str, kind: str, subject: str, details: Mapping[str, Any]) -> str:
    """An entry of the ledger as people read it: who, what, about what, and why."""
    words = [str(details[name]) for name in _WORDS if isinstance(details.get(name), str)]
    traffic = details.get("traffic")
    if isinstance(traffic, dict):
        words.append(", ".join(f"{label} {share}" for label, share in traffic.items()))
    told = " ".join(words) or subject
    why = f": {details['why']}" if isinstance(details.get("why"), str) else ""
    return f"{actor}: {kind.replace('.', ' ').replace('_', ' ')} {told}{why}"


def _page_of(subject: str) -> str:
    for prefix, page in _PAGES.items():
        if subject.startswith(prefix):
            return f"{page}{subject}"
    return "/ledger"
