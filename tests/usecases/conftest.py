"""A use case folder that is right, for tests to break in one place."""

from collections.abc import Callable
from pathlib import Path

import pytest

MANIFEST = """\
name: desk
problem:
  statement: Every message is read before it is routed.
  who: 6 people
value: {measure: minutes, direction: down}
risk: limited
owner: desk-team
interface: inline
app:
  kind: predict
  input: {message: string}
  output: {topic: {enum: topics.txt}, confidence: number}
  model: scripted:answers.jsonl
tests:
  dataset: datasets/golden.jsonl
  gate:
    - accuracy >= 0.85
"""

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a right folder, after replacing pieces of its manifest: `make(("old", "new"))`."""

    def write(*replacements: tuple[str, str], add: str = "") -> Path:
        folder = tmp_path / "desk"
        (folder / "datasets").mkdir(parents=True, exist_ok=True)
        (folder / "topics.txt").write_text("loan\ncard\n")
        (folder / "answers.jsonl").write_text(
            '{"when": {"default": true}, "output": {"topic": "loan", "confidence": 0.5}}\n'
        )
        (folder / "datasets" / "golden.jsonl").write_text(
            '{"input": {"message": "renew"}, "expected": {"topic": "loan"}}\n'
        )
        text = MANIFEST
        for old, new in replacements:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (folder / "usecase.yaml").write_text(text + add)
        return folder

    return write
