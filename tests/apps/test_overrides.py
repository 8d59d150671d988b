"""A person's word against the gate's: by name, with a reason, in the ledger."""

from dataclasses import replace

import pytest

from lineside.apps import deploy, get_release, overrides, release_folder
from lineside.core import Conflict, Denied, Invalid
from lineside.trust import Scope, ledger_entries
from lineside.usecases import read_folder

REASON = "The failing cases are all of a product we no longer sell"


def test_a_named_person_overrules_a_gate_with_a_reason(scope: Scope, make_folder) -> None:
    refused = release_folder(scope, read_folder(make_folder(right=50, wrong=50))).release

    released = overrides.override_gate(scope, "triage", refused.id, reason=f"  {REASON}\n")

    assert (released.status, released.label) == ("released", "v1")
    assert released.override is not None
    assert (released.override.by, released.override.reason) == (scope.actor.name, REASON)
    assert released.gate.verdict.decision == "hold"  # what the gate said stays
    assert get_release(scope, "v1", use_case="triage") == released
    assert deploy(scope, "triage", "v1").live.label == "v1"
    (entry,) = ledger_entries(scope, kind="release.overridden")
    assert entry.actor == scope.actor
    assert entry.details["why"] == REASON
    assert entry.details["not_met"] == ["accuracy >= 0.85"]
    with pytest.raises(Conflict, match="released already"):
        overrides.override_gate(scope, "triage", refused.id, reason=REASON)


def test_programs_and_short_reasons_overrule_nothing(scope: Scope, make_folder) -> None:
    refused = release_folder(scope, read_folder(make_folder(right=50, wrong=50))).release
    program = replace(scope, actor=scope.actor.model_copy(update={"kind": "key"}))

    with pytest.raises(Denied) as by_program:
        overrides.override_gate(program, "triage", refused.id, reason=REASON)
    with pytest.raises(Invalid) as hasty:
        overrides.override_gate(scope, "triage", refused.id, reason="because")
    lesser = replace(scope, rights=scope.rights - {"override"})
    with pytest.raises(Denied) as without:
        overrides.override_gate(lesser, "triage", refused.id, reason=REASON)

    codes = [caught.value.code for caught in (by_program, hasty, without)]
    assert codes == ["not_a_person", "bad_reason", "missing_right"]
    assert get_release(scope, refused.id).status == "refused"
