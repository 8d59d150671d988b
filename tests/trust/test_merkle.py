import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineside.trust import merkle

REFERENCE_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
REFERENCE_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZE_MAX = 40


def leaves_of(size: int) -> list[bytes]:
    return [merkle.leaf_hash(str(number).encode()) for number in range(size)]


def test_the_root_of_no_leaves_is_the_hash_of_nothing() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.root([]).hex() == empty


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_certificate_transparency_reference(size: int) -> None:
    leaves = [merkle.leaf_hash(content) for content in REFERENCE_LEAVES[:size]]

    assert merkle.root(leaves).hex() == REFERENCE_ROOTS[size - 1]


def test_a_leaf_can_never_pass_for_an_inner_node() -> None:
    left, right = leaves_of(2)

    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)


def test_every_inclusion_proof_holds_for_its_own_leaf_and_place_only() -> None:
    for size in range(1, SIZE_MAX + 1):
        leaves = leaves_of(size)
        root = merkle.root(leaves)
        for index, leaf in enumerate(leaves):
            path = merkle.inclusion_path(leaves, index)
            holds = [
                place
                for place in range(size + 1)
                if merkle.verify_inclusion(leaf, place, size=size, path=path, root=root)
            ]
            assert holds == [index]


def test_every_consistency_proof_holds_for_its_own_two_trees_only() -> None:
    roots = [merkle.root(leaves_of(size)) for size in range(SIZE_MAX + 1)]
    for second in range(SIZE_MAX + 1):
        leaves = leaves_of(second)
        for first in range(second + 1):
            path = merkle.consistency_path(leaves, first)
            holds = [
                size
                for size in range(SIZE_MAX + 1)
                if merkle.verify_consistency(
                    first, second, first_root=roots[size], second_root=roots[second], path=path
                )
            ]
            assert holds == [first]


@given(st.data())
def test_a_proof_with_one_changed_bit_proves_nothing(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, SIZE_MAX))
    index = data.draw(st.integers(0, size - 1))
    first = data.draw(st.integers(1, size - 1))
    bit = data.draw(st.integers(0, 255))
    leaves, flip = leaves_of(size), (1 << bit).to_bytes(32)
    root, first_root = merkle.root(leaves), merkle.root(leaves[:first])
    paths = merkle.inclusion_path(leaves, index), merkle.consistency_path(leaves, first)
    for path in paths:
        at = data.draw(st.integers(0, len(path) - 1))
        path[at] = bytes(a ^ b for a, b in zip(path[at], flip, strict=True))

    assert not merkle.verify_inclusion(leaves[index], index, size=size, path=paths[0], root=root)
    assert not merkle.verify_consistency(
        first, size, first_root=first_root, second_root=root, path=paths[1]
    )


def test_a_proof_that_is_too_short_or_too_long_proves_nothing() -> None:
    leaves = leaves_of(5)
    root, first_root = merkle.root(leaves), merkle.root(leaves[:3])
    for wrong in ([], merkle.inclusion_path(leaves, 2)[:-1], [*leaves, *leaves]):
        assert not merkle.verify_inclusion(leaves[2], 2, size=5, path=wrong, root=root)
        assert not merkle.verify_consistency(
            3, 5, first_root=first_root, second_root=root, path=wrong
        )
