import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lineside.core import Invalid
from lineside.trust.checkpoint import (
    public_key_of,
    read_checkpoint,
    sign_checkpoint,
    verifier_key,
)

ORIGIN = "lineside.local/default"
PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = verifier_key(ORIGIN, public_key_of(PRIVATE_KEY))
ROOT = hashlib.sha256(b"root").digest()


def test_a_checkpoint_is_a_signed_note_as_others_read_it() -> None:
    text = sign_checkpoint(PRIVATE_KEY, ORIGIN, size=42, root=ROOT)

    body, signature_line = text.split("\n\n")
    dash, name, coded = signature_line.rstrip("\n").split(" ")
    blob = base64.b64decode(coded)
    public_key = PRIVATE_KEY.public_key()
    key_id = hashlib.sha256(ORIGIN.encode() + b"\x0a\x01" + public_key.public_bytes_raw()).digest()
    assert body.split("\n") == [ORIGIN, "42", base64.b64encode(ROOT).decode()]
    assert (dash, name) == ("—", ORIGIN)
    assert blob[:4] == key_id[:4]
    public_key.verify(blob[4:], (body + "\n").encode())


def test_the_verifier_key_of_the_signed_note_example_is_read_and_written() -> None:
    # Key and note of Go's golang.org/x/mod/sumdb/note documentation, public since 2019.
    key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    public_key = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]

    assert verifier_key("PeterNeumann", public_key) == key


def test_a_checkpoint_is_read_back_also_beside_the_signature_of_a_witness() -> None:
    text = sign_checkpoint(PRIVATE_KEY, ORIGIN, size=3, root=ROOT)
    witnessed = text + "— witness.example " + base64.b64encode(b"x" * 76).decode() + "\n"

    assert read_checkpoint(witnessed, KEY) == read_checkpoint(text, KEY)
    assert read_checkpoint(text, KEY).root == ROOT.hex()


def test_every_changed_character_of_a_checkpoint_is_found() -> None:
    text = sign_checkpoint(PRIVATE_KEY, ORIGIN, size=3, root=ROOT)
    for at, character in enumerate(text):
        for other in ("A", "B", "\n", "7"):
            if other != character:
                with pytest.raises(Invalid, match="does not hold"):
                    read_checkpoint(text[:at] + other + text[at + 1 :], KEY)


def test_a_checkpoint_of_another_key_is_refused() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    text = sign_checkpoint(other, ORIGIN, size=3, root=ROOT)

    with pytest.raises(Invalid, match="no signature by the ledger's key"):
        read_checkpoint(text, KEY)


@pytest.mark.parametrize("size", ["", "-1", "01", "1.0", "１", "9" * 60])
def test_a_size_that_is_no_plain_number_is_refused_with_what_was_read(size: str) -> None:
    body = f"{ORIGIN}\n{size}\n{base64.b64encode(ROOT).decode()}\n"
    text = f"{body}\n— {ORIGIN} {base64.b64encode(b'x' * 68).decode()}\n"

    with pytest.raises(Invalid, match="its size is"):
        read_checkpoint(text, KEY)


@pytest.mark.parametrize("key", ["", "name", "name+00000000+AAAA", KEY[:-4] + "AAAA"])
def test_a_key_that_was_copied_badly_is_refused_with_what_to_do(key: str) -> None:
    text = sign_checkpoint(PRIVATE_KEY, ORIGIN, size=3, root=ROOT)

    with pytest.raises(Invalid, match="public key cannot be read") as refusal:
        read_checkpoint(text, key)
    assert "first line" in str(refusal.value.hint)
