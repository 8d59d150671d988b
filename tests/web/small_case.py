"""A small use case to show on pages, and how a test reads a page."""

import re
from pathlib import Path

import orjson
from starlette.testclient import TestClient

from lineside.core import Settings

MANIFEST = """\
name: triage # {note}
problem:
  statement: Agents read every message before they can route it.
  who: 40 support agents
value: {{measure: minutes_to_first_reply, direction: down}}
risk: limited
owner: support-platform
interface: inline
app:
  kind: predict
  input: {{message: string}}
  output: {{topic: {{enum: [card, refund]}}, confidence: number}}
  model: scripted:answers.jsonl
knobs:
  - {{name: autonomy, kind: choice, of: [suggest, act], default: suggest, who: user}}
  - {{name: hand_off_below, kind: number, min: 0, max: 1, default: 0.6, who: operator}}
tests:
  dataset: cases.jsonl
  gate: [accuracy >= 0.85, not worse than live by 0.05]
rollout:
  steps: [5%, 100%]
"""


def settings_for(home: Path) -> Settings:
    """The pages read what the rooms give; that they give the same on PostgreSQL is tested there."""
    return Settings(home=home, flush_seconds=0.05, user="ann", otlp_grpc_port=0)


def write_folder(folder: Path, *, wrong: int, note: str = "") -> Path:
    """A use case whose scripted model answers so many of its 100 cases wrongly, the first ones."""
    folder.mkdir()
    cases, answers = [], []
    for number in range(100):
        topic, other = ("card", "refund") if number % 2 else ("refund", "card")
        asked = {"message": f"message {number}"}
        cases.append(
            {
                "id": f"c{number:03}",
                "input": asked,
                "expected": {"topic": topic},
                "slices": {"channel": "mail" if number < 50 else "chat"},
            }
        )
        output = {"topic": other if number < wrong else topic, "confidence": 0.9}
        answers.append({"when": asked, "output": output, "confidence": 0.9})
    unsure = {"topic": "card", "confidence": 0.4}
    answers.append({"when": {"default": True}, "output": unsure, "confidence": 0.4})
    (folder / "usecase.yaml").write_text(MANIFEST.format(note=note))
    for name, rows in (("cases", cases), ("answers", answers)):
        (folder / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return folder


def html(client: TestClient, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    return answer.text


def words(page: str) -> str:
    """What a reader sees: without tags, with single blanks."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def first_link(page: str, start: str) -> str:
    found = re.search(rf'href="({start}[^"?#]+)"', page)
    assert found, f"no link to {start}"
    return found[1]
