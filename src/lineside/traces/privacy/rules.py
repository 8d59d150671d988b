"""What a workspace has masked: who may say so, and what the ledger keeps of it."""

import re
from datetime import datetime

from lineside.core import Invalid, NotFound, did_you_mean, now
from lineside.traces.privacy import queries
from lineside.traces.privacy.aliases import aliases_of
from lineside.traces.privacy.door import rules_changed
from lineside.traces.privacy.masker import Masked, Masker, RuleKind
from lineside.traces.privacy.patterns import BUILT_IN, finder_of, glob_of
from lineside.trust import Scope, record

RULES_MAX = 50
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class MaskRule(Masked):
    """A rule, with who made it and when."""

    set_by: str
    set_at: datetime


def list_rules(scope: Scope) -> list[MaskRule]:
    """What is masked, in the order the rules were made."""
    scope.require("read")
    with scope.store.records.read() as connection:
        rows = queries.select_rules(connection, scope.workspace)
    return [MaskRule.model_validate(row) for row in rows]


def mask(
    scope: Scope, name: str, *, pattern: str | None = None, field: str | None = None
) -> MaskRule:
    """Have something masked from now on, before it is written anywhere; a ledger entry says so.

    What is kept already stays as it is. A rule of the same name is replaced. Another process, such
    as a running server, knows the rule within a second.

    Args:
        name: What will stand in the place of what is masked; without `pattern` and `field`, one of
            the patterns that come with lineside.
        pattern: A regular expression in RE2's language, to be looked for in every text.
        field: A glob such as `*password*`, for names of attributes and of keys in JSON.

    Raises:
        Invalid: The name or the pattern cannot be one, or there are too many rules.
    """
    scope.require("privacy")
    kind, said = _checked(name, pattern, field)
    rule = MaskRule(name=name, kind=kind, pattern=said, set_by=scope.actor.name, set_at=now())
    with scope.store.records.write() as connection:
        queries.lock_privacy(connection, scope.workspace)
        rules = queries.select_rules(connection, scope.workspace)
        before = next((one for one in rules if one["name"] == name), None)
        if before is None and len(rules) >= RULES_MAX:
            raise Invalid(
                "too_many_rules",
                f"There are {len(rules)} rules, the limit is {RULES_MAX}",
                hint="Let one pattern stand for several, such as `one|other`.",
            )
        queries.delete_rule(connection, scope.workspace, name)
        queries.insert_rule(connection, scope.workspace, rule.model_dump())
        details = {"kind": kind, "pattern": said, "before": before and before["pattern"]}
        record(connection, scope, "privacy.masked", name, details)
    rules_changed(scope.store)
    return rule


def unmask(scope: Scope, name: str) -> MaskRule:
    """Let something be kept as it comes from now on; what was masked cannot be brought back.

    Raises:
        NotFound: There is no such rule.
    """
    scope.require("privacy")
    with scope.store.records.write() as connection:
        queries.lock_privacy(connection, scope.workspace)
        rows = queries.select_rules(connection, scope.workspace)
        row = next((one for one in rows if one["name"] == name), None)
        if row is None:
            raise NotFound(
                "no_mask_rule",
                f"No rule is called `{name[:80]}`",
                hint="`lineside privacy rules` lists them.",
            )
        queries.delete_rule(connection, scope.workspace, name)
        details = {"kind": row["kind"], "pattern": row["pattern"]}
        record(connection, scope, "privacy.unmasked", name, details)
    rules_changed(scope.store)
    return MaskRule.model_validate(row)


def try_rules(scope: Scope, text: str) -> str:
    """What would be kept of a text as things stand."""
    return Masker(list_rules(scope), aliases_of(scope.store, scope.workspace)).text(text)


def built_in_patterns() -> dict[str, str]:
    """The patterns that come with lineside: name to what it finds."""
    return {name: told for name, (told, _) in BUILT_IN.items()}


def _checked(name: str, pattern: str | None, field: str | None) -> tuple[RuleKind, str]:
    if not _NAME.fullmatch(name):
        raise Invalid(
            "bad_rule_name",
            f"Not the name of a rule: `{name[:60]}`",
            hint="Small letters, digits, `-` and `_`, 40 at most.",
        )
    if pattern is not None and field is not None:
        raise Invalid(
            "pattern_and_field",
            f"Rule `{name}` has both a pattern and a field",
            hint="Make two rules of it.",
        )
    if pattern is not None:
        finder_of(pattern)
        return "pattern", pattern
    if field is not None:
        glob_of(field)
        if not field.strip("*"):
            raise Invalid("bad_glob", f"The glob `{field[:60]}` would mask every field")
        return "field", field
    if name not in BUILT_IN:
        near = did_you_mean(name, BUILT_IN)
        raise Invalid(
            "unknown_pattern",
            f"No pattern called `{name}` comes with lineside",
            hint=f"Did you mean `{near}`?"
            if near
            else f"There are: {', '.join(BUILT_IN)}. Or give --pattern or --field.",
        )
    return "built_in", name
