"""Sessions as limits count them: by an alias, since many an id says who somebody is.

The alias is that of decision 0017 under a rule of its own, whatever rules there are: one that
changed with them would begin to count anew. It is the same for an id and for any alias of it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from lineside.core import Conflict, Unavailable
from lineside.gateway.budgets import queries
from lineside.store import Store
from lineside.traces import privacy
from lineside.trust import outbox

RULE = "session"
_KINDS = ("budget.crossed", "budget.refused", "budget.set", "budget.removed")
_SET = re.compile(r"(.*: budget (?:set|removed) session )(?!\*)(.+)", re.DOTALL)
"""What is told of a limit of one session; its name ends the sentence."""

_SESSIONS_MAX = 500


def session_alias(store: Store, workspace: str, session: str) -> str:
    """What stands for a session: `[masked:session:…]`.

    Raises:
        Conflict: The key of the installation is missing.
    """
    return privacy.aliases_of(store, workspace).under("session", session, RULE)


def alias_if_limited(store: Store, workspace: str, session: str) -> str | None:
    """The alias of the session of a call; nothing where no session is limited and no key at hand.

    Raises:
        Unavailable: Sessions are limited, and how far each is cannot be known without the key.
    """
    try:
        return session_alias(store, workspace, session)
    except Conflict as missing:
        with store.records.read() as connection:
            limited = queries.session_caps(connection, workspace)
        if not limited:
            return None
        raise Unavailable(
            "budget_unreadable",
            "The call was refused and no model asked, because limits of sessions count by an "
            f"alias that cannot be made: {missing.message}",
            hint=missing.hint,
        ) from missing


def keep_in_order(store: Store) -> None:
    """Let counters of sessions go with who is erased, and put aliases where ids still stand.

    Called once by every process that serves or erases. Where the key is missing, the ids stay
    until it is back, and calls of sessions that are limited are refused meanwhile.
    """
    store.session_keepers["counters and messages of session limits"] = partial(_forget, store)
    with store.records.read() as connection:
        left = queries.unaliased_workspaces(connection)
    for workspace in left:
        try:
            alias_sessions(store, workspace)
        except Conflict:
            continue


def alias_sessions(store: Store, workspace: str) -> None:
    """Put aliases in place of the ids of sessions, of limits from before they had any.

    What was spent stays spent. One that dies in it leaves all as it was.

    Raises:
        Conflict: The key of the installation is missing.
    """
    alias = partial(session_alias, store, workspace)
    with store.records.write() as connection:
        queries.lock_caps(connection, workspace)
        caps = [one for one in queries.session_caps(connection, workspace) if not one["is_aliased"]]
        for cap in caps:
            for table in (queries.counters, queries.holds):
                for subject in queries.subjects_of(connection, table, cap["id"]):
                    queries.rename_subject(connection, table, cap["id"], subject, alias(subject))
            named = cap["subject"]
            kept = named if named == queries.EACH else alias(named)
            queries.update_cap(connection, cap["id"], {"subject": kept, "is_aliased": True})
        for told in outbox.told(connection, workspace, _KINDS):
            if renamed := _renamed(told, alias):
                outbox.retell(connection, renamed)


def _renamed(told: Mapping[str, Any], alias: Callable[[str], str]) -> dict[str, Any] | None:
    """A message without the id of a session; nothing where it has none."""
    data, once = told["payload"]["data"], told["once"]
    whose = data.get("whose")
    if whose and data["sentence"].startswith(f"session {whose} ("):
        name = alias(whose)
        sentence = data["sentence"].replace(whose, name, 1)
        renamed = data | {"whose": name, "sentence": sentence}
        once = once and once.replace(f" {whose} ", f" {name} ", 1)
    elif found := _SET.fullmatch(data["sentence"]):
        renamed = data | {"sentence": found[1] + alias(found[2])}
    else:
        return None
    return {**told, "payload": {**told["payload"], "data": renamed}, "once": once}


def _forget(store: Store, workspace: str, sessions: Sequence[str], *, only_look: bool) -> int:
    """Erase what was counted for some sessions and told of them, or only count it.

    A limit that was set for one of them alone stays, with the alias in its name.
    """
    with store.records.read() as connection:
        if not sessions or not queries.session_caps(connection, workspace):
            return 0
    gone = 0
    aliases = sorted({session_alias(store, workspace, one) for one in sessions})
    for start in range(0, len(aliases), _SESSIONS_MAX):
        some = aliases[start : start + _SESSIONS_MAX]
        if only_look:
            with store.records.read() as connection:
                gone += len(queries.places_of(connection, workspace, some))
                gone += len(_told_of(connection, workspace, some))
            continue
        with store.records.write() as connection:
            places = queries.places_of(connection, workspace, some, locks=True)
            queries.delete_counted(connection, places)
            messages = _told_of(connection, workspace, some)
            outbox.untell(connection, messages)
            gone += len(places) + len(messages)
    return gone


def _told_of(connection: Any, workspace: str, aliases: Sequence[str]) -> list[dict[str, Any]]:
    wanted = set(aliases)
    told = outbox.told(connection, workspace, _KINDS)
    return [one for one in told if one["payload"]["data"].get("whose") in wanted]
