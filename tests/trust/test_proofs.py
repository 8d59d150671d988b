import pytest

from lineside.core import Invalid, NotFound
from lineside.trust import Scope, inclusion_proof, ledger_head, members, merkle, proofs, record
from lineside.trust.checkpoint import Checkpoint, read_checkpoint


@pytest.fixture
def decided(scope: Scope) -> Scope:
    """A ledger of eleven decisions."""
    with scope.store.records.write() as connection:
        for number in range(11):
            record(connection, scope, "deploy", f"rel_{number}", {})
    return scope


def signed(scope: Scope, checkpoint: str) -> Checkpoint:
    return read_checkpoint(checkpoint, members.find_own_workspace(scope).verifier_key)


def hashes(texts: tuple[str, ...]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


@pytest.mark.parametrize("size", [None, 7])
def test_an_entry_is_proved_to_stand_below_a_signed_head(decided: Scope, size: int | None) -> None:
    proof = inclusion_proof(decided, 4, size)

    head = signed(decided, proof.checkpoint)
    assert head.size == proof.size == (size or 11)
    assert merkle.verify_inclusion(
        bytes.fromhex(proof.leaf_hash),
        4,
        size=proof.size,
        path=hashes(proof.path),
        root=bytes.fromhex(head.root),
    )


@pytest.mark.parametrize(("first", "second"), [(0, None), (4, None), (7, 9), (11, 11)])
def test_a_later_ledger_is_proved_to_hold_all_of_an_earlier(
    decided: Scope, first: int, second: int | None
) -> None:
    proof = proofs.consistency_proof(decided, first, second)

    before, after = (
        signed(decided, text) for text in (proof.first_checkpoint, proof.second_checkpoint)
    )
    assert (before.size, after.size) == (first, second or 11)
    assert merkle.verify_consistency(
        before.size,
        after.size,
        first_root=bytes.fromhex(before.root),
        second_root=bytes.fromhex(after.root),
        path=hashes(proof.path),
    )


def test_the_head_is_the_checkpoint_of_the_newest_entry(decided: Scope) -> None:
    assert signed(decided, ledger_head(decided)).size == 11


def test_proofs_of_what_never_was_are_refused_with_the_numbers(decided: Scope) -> None:
    with pytest.raises(NotFound, match="no entry 11 in a ledger of 11"):
        inclusion_proof(decided, 11)
    with pytest.raises(NotFound, match="no entry -1"):
        inclusion_proof(decided, -1)
    with pytest.raises(NotFound, match="never had 12 entries"):
        inclusion_proof(decided, 0, 12)
    with pytest.raises(Invalid, match="first size is 9, the second 3"):
        proofs.consistency_proof(decided, 9, 3)
