"""Indexing that is killed in the middle: it goes on, and reads nothing twice that was kept."""

import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lineside.apps.answers.index import SourceIndex, build_index, make_part, pack_part, unpack_part
from lineside.apps.answers.passages import SourcePassage, cut_passages
from lineside.apps.answers.sections import read_sections
from lineside.core import Settings
from lineside.gateway import quoting, reading
from lineside.store import Store, digest_of

SOURCES = 30
CUT = {"words_max": 160}
MANIFEST = """\
name: rooms
problem: {statement: Staff ask where things are, who: 180 people}
value: {measure: questions, direction: down}
risk: minimal
owner: office
interface: form
app:
  kind: answer
  input: {question: text}
  output: {answer: text}
  sources: [sources]
  model: embedded:quotes
tests:
  dataset: cases.jsonl
  gate: [latency_ms <= 60000]
"""
PROGRAM = """
import os, sys, time
from pathlib import Path
from lineside.apps import open_line
from lineside.apps.answers import index_sources
from lineside.apps.answers.reader import SourceReader
from lineside.core import Settings
from lineside.trust import local_scope
from lineside.usecases import read_folder

home, url, log, folder = sys.argv[1:]
file = os.open(log, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
read = SourceReader.read

def read_slowly(reader, path, content):
    os.write(file, (path + "\\n").encode())
    time.sleep(0.02)
    return read(reader, path, content)

SourceReader.read = read_slowly
store = open_line(Settings(home=Path(home), database_url=url))
print(index_sources(local_scope(store), read_folder(Path(folder))), flush=True)
store.close()
"""


def write_folder(folder: Path) -> Path:
    (folder / "sources").mkdir(parents=True)
    for number in range(SOURCES):
        text = f"# Room {number}\n\nThe key of room {number} hangs on hook {number + 100}.\n"
        (folder / "sources" / f"room-{number:02}.md").write_text(text)
    (folder / "usecase.yaml").write_text(MANIFEST)
    case = '{"input": {"question": "Where is the key of room 7?"}, "expected": {"answered": true}}'
    (folder / "cases.jsonl").write_text(f"{case}\n" * 3)
    return folder


def start(settings: Settings, tmp_path: Path) -> "subprocess.Popen[str]":
    arguments = [str(settings.home), settings.database_url, str(tmp_path / "read.log")]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments, str(tmp_path / "rooms")],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_indexing_killed_in_the_middle_goes_on_and_gives_the_same_index(
    store: Store, tmp_path: Path
) -> None:
    settings, log = store.settings, tmp_path / "read.log"
    write_folder(tmp_path / "rooms")

    first = start(settings, tmp_path)
    deadline = time.monotonic() + 60
    while (not log.exists() or len(log.read_text().split()) < 10) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    assert first.communicate(timeout=5)[0] == ""
    before = log.read_text().split()
    second = start(settings, tmp_path)
    digest = second.communicate(timeout=60)[0].strip()

    assert len(before) < SOURCES
    read = Counter(log.read_text().split())
    assert len(read) == SOURCES
    # Only what was being read at the kill, and not yet kept, is read again.
    assert sum(read.values()) - SOURCES <= 1
    assert all(read[path] == 1 for path in before[:-1])
    index = SourceIndex(store.blobs.get(digest))
    assert [source.path for source in index.sources] == sorted(read)
    assert len(index) == SOURCES
    undisturbed = build_index(
        (
            path,
            digest_of(content),
            make_part(cut_passages(path, read_sections(path, content), **CUT)),
        )
        for path, content in (
            (f"sources/{file.name}", file.read_bytes())
            for file in sorted((tmp_path / "rooms" / "sources").iterdir())
        )
    )
    assert digest_of(undisturbed) == digest


def test_a_passage_has_the_vector_of_its_words_as_a_question_would() -> None:
    texts = ["Hotels, hotels and the city's ﬁnest straße", "", "한국어 𝒜 130.50 a_b", "Hotel city"]
    passages = [SourcePassage("a.md", at, "Travel", None, text) for at, text in enumerate(texts)]

    part = unpack_part(pack_part(make_part(passages)), source="a.md")

    asked = [" ".join(quoting.terms_of(f"Travel\n{text}")) for text in texts]
    alike = np.stack([reading.word_vectors().mean(question) for question in asked])
    assert part.passages == passages
    assert np.allclose(part.vectors, alike, atol=1e-3)


def test_a_term_is_weighed_over_all_sources() -> None:
    texts = {"b.md": "key key hook", "a.md": "wall door key", "c.md": "roof"}
    parts = [
        (source, "sha256:none", make_part([SourcePassage(source, 1, "", None, text)]))
        for source, text in texts.items()
    ]

    hits = SourceIndex(build_index(parts)).search("key", limit=3)

    # BM25 with k1 = 1.2 and b = 0.75, by hand: 2 of 3 passages have it, their mean length is 7/3.
    rarity, damping = math.log(1 + 1.5 / 2.5), 1.2 * (0.25 + 0.75 * 3 / (7 / 3))
    by_words = {hit.passage.source: hit.by_words for hit in hits}
    assert by_words["b.md"] == pytest.approx(rarity * 2 * 2.2 / (2 + damping))
    assert by_words["a.md"] == pytest.approx(rarity * 2.2 / (1 + damping))
    assert by_words.get("c.md", 0) == 0
    assert len(SourceIndex(build_index([]))) == 0
