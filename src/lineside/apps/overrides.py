"""A person's word against the gate's: never silent, never without a name and a reason."""

from lineside.apps import queries
from lineside.apps.release import Override, Release, load_releases, pick_release
from lineside.core import Conflict, Denied, Invalid, now
from lineside.trust import Scope, record

REASON_CHARACTERS_MIN, REASON_CHARACTERS_MAX = 20, 2_000


def override_gate(scope: Scope, use_case: str, reference: str, *, reason: str) -> Release:
    """Release what the gate refused, on the word of the person who asks for it.

    The gate's verdict stays as it was, and stands beside the override wherever the release is
    shown. The ledger keeps the name, the reason and every rule that was not met.

    Args:
        reference: As `get_release` takes it.
        reason: Why, for whoever reads the ledger later; 20 to 2,000 characters.

    Raises:
        Denied: `not_a_person` for a key or a program; the right `override` is missing.
        Invalid: `bad_reason`.
        Conflict: `nothing_to_override` when the gate let it pass, or somebody was quicker.
    """
    scope.require("override", use_case=use_case)
    if scope.actor.kind != "person":
        raise Denied(
            "not_a_person",
            f"`{scope.actor.name}` is no person, and only people overrule a gate",
            hint="Have somebody with the right `override` do it under their own name.",
        )
    words = " ".join(reason.split())
    if not REASON_CHARACTERS_MIN <= len(words) <= REASON_CHARACTERS_MAX:
        raise Invalid(
            "bad_reason",
            f"The reason has {len(words):,} characters, expected {REASON_CHARACTERS_MIN} to "
            f"{REASON_CHARACTERS_MAX:,}",
            hint="Say what you know that the gate does not, and what you will watch.",
        )
    refused = pick_release(load_releases(scope, use_case), use_case, reference)
    override = Override(by=scope.actor.name, reason=words, at=now())
    with scope.store.records.write() as connection:
        queries.lock_use_case(connection, scope.workspace, use_case)
        number = queries.next_number(connection, scope.workspace, use_case)
        if not queries.release_refused(
            connection, refused.id, number=number, override=override.model_dump(mode="json")
        ):
            raise Conflict(
                "nothing_to_override",
                f"`{refused.label}` is released already; there is nothing to overrule",
            )
        release = refused.model_copy(
            update={"status": "released", "number": number, "override": override}
        )
        verdict = refused.gate.verdict
        details = {
            "use_case": use_case,
            "release": release.label,
            "digest": release.digest,
            "verdict": verdict.decision,
            "gate": verdict.sentence,
            "not_met": [one.rule for one in verdict.findings if one.decision != "ship"],
            "why": words,
            "run": release.run_id,
        }
        record(connection, scope, "release.overridden", release.id, details)
    return release
