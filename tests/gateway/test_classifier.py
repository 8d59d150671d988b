"""The classifier learns, knows how sure it is, and opens nothing that is not whole."""

import csv
import gzip
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from safetensors.numpy import load, save

from lineside.core import Invalid
from lineside.gateway.classifier import Classifier, train
from lineside.gateway.reading import CHARACTERS_READ_MAX, word_vectors

BANKING77 = Path(__file__).parents[3] / "shared" / "data" / "banking77" / "banking77.csv.gz"
MESSAGES = {
    "hours": ["When do you open?", "Are you open on Sunday?", "What time do you close today?"],
    "price": [
        "How much is a ticket?",
        "What does the tour cost?",
        "Is there a price for children?",
    ],
    "dogs": ["May I bring my dog?", "Are pets allowed inside?", "Can our puppy come along?"],
}
TEXTS = [text for texts in MESSAGES.values() for text in texts]
LABELS = [label for label, texts in MESSAGES.items() for _ in texts]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return train(TEXTS, LABELS)


@pytest.fixture(scope="module")
def artefact(classifier: Classifier) -> bytes:
    return classifier.to_bytes()


def test_words_never_seen_are_understood_by_their_likeness(classifier: Classifier) -> None:
    asked = ["until which hour are you open", "how much money is the entrance", "and my dgo?"]

    assert [label for label, _ in classifier.predict_many(asked)] == ["hours", "price", "dogs"]


def test_a_message_alone_gets_what_it_gets_in_a_batch(classifier: Classifier) -> None:
    batch = [*TEXTS, "", "x" * 50_000]

    assert classifier.predict_many(batch) == [classifier.predict(text) for text in batch]
    assert classifier.predict_many(batch[::-1])[::-1] == classifier.predict_many(batch)


def test_many_threads_get_what_one_gets(classifier: Classifier) -> None:
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(classifier.predict, TEXTS * 30))

    assert answers == classifier.predict_many(TEXTS) * 30


@pytest.mark.parametrize("text", ["", " \n\t ", "⁇⁇⁇ ∮∯", "zxqv wjkl qqrp", "日本語", "\ud83d"])
def test_a_message_without_a_known_word_gets_little_confidence(
    classifier: Classifier, text: str
) -> None:
    _, confidence = classifier.predict(text)

    assert confidence < 0.6


def test_a_message_of_a_megabyte_is_read_to_the_limit(classifier: Classifier) -> None:
    start = "may I bring my dog? " * (CHARACTERS_READ_MAX // 20)
    began_s = time.process_time()

    answer = classifier.predict(start + "how much is a ticket? " * 50_000)

    assert answer == classifier.predict(start)
    assert time.process_time() - began_s < 1


def test_a_message_that_grows_when_it_is_normalised_costs_no_more(classifier: Classifier) -> None:
    began_s = time.process_time()

    classifier.predict("\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * CHARACTERS_READ_MAX)

    assert time.process_time() - began_s < 1


def test_messages_that_share_no_word_can_still_be_kept() -> None:
    loaded = Classifier.from_bytes(train(["alpha", "brook"], ["x", "y"]).to_bytes())

    assert [label for label, _ in loaded.predict_many(["alpha", "brook"])] == ["x", "y"]


def test_a_loaded_classifier_answers_as_the_fitted_one(
    classifier: Classifier, artefact: bytes
) -> None:
    loaded = Classifier.from_bytes(artefact)

    assert loaded.predict_many(TEXTS) == classifier.predict_many(TEXTS)
    assert loaded.to_bytes() == artefact


def test_two_labels_are_kept_apart_after_loading() -> None:
    loaded = Classifier.from_bytes(train(TEXTS[:6], LABELS[:6]).to_bytes())

    assert [label for label, _ in loaded.predict_many(TEXTS[:6])] == LABELS[:6]


def test_another_process_with_other_threads_fits_the_same_bytes(
    artefact: bytes, tmp_path: Path
) -> None:
    program = (
        "import json, sys; from pathlib import Path\n"
        "from lineside.gateway.classifier import train\n"
        "Path(sys.argv[2]).write_bytes(train(*json.loads(sys.argv[1])).to_bytes())"
    )
    given = orjson.dumps([TEXTS, LABELS]).decode()
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "77"}
    subprocess.run(
        [sys.executable, "-c", program, given, str(tmp_path / "fitted")],
        check=True,
        env={**os.environ, **threads},
    )

    assert (tmp_path / "fitted").read_bytes() == artefact


def test_serving_imports_no_training_library(artefact: bytes, tmp_path: Path) -> None:
    (tmp_path / "fitted").write_bytes(artefact)
    program = (
        "import sys; from pathlib import Path; from lineside.gateway.classifier import Classifier\n"
        "print(Classifier.from_bytes(Path(sys.argv[1]).read_bytes()).predict('my dog')[0])\n"
        "print(sorted({'sklearn', 'scipy', 'wordllama'} & sys.modules.keys()))"
    )

    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "fitted")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert said.split() == ["dogs", "[]"]


def test_a_label_with_one_example_is_learned() -> None:
    classifier = train([*TEXTS, "The lift is out of order"], [*LABELS, "lift"])

    assert classifier.predict("The lift is out of order")[0] == "lift"


def test_labels_with_one_example_each_are_learned_without_false_certainty() -> None:
    classifier = train(["How much is a ticket?", "May I bring my dog?"], ["price", "dogs"])

    assert classifier.predict("May I bring a dog?")[0] == "dogs"
    assert classifier.temperature == 1


@pytest.mark.parametrize(
    ("texts", "labels", "said"),
    [
        (["a", "b"], ["x"], "2 messages have 1 labels"),
        (["a", "b"], ["x", "x"], "at least 2 labels, the training data has 1: `x`"),
        ([], [], "the training data has 0"),
    ],
)
def test_training_that_cannot_work_is_refused(
    texts: list[str], labels: list[str], said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        train(texts, labels)


def test_bytes_that_are_damaged_are_refused(artefact: bytes) -> None:
    cuts = [artefact[:size] for size in (0, 1, 7, 8, 100, len(artefact) // 2, len(artefact) - 1)]
    strange = [b"garbage" * 100, b"\x80\x04\x95pickle", b"\xff" * 64, artefact + b"x"]

    for damaged in cuts + strange:
        with pytest.raises(Invalid, match="cannot be used") as caught:
            Classifier.from_bytes(damaged)
        assert caught.value.code == "bad_artefact"


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": 99},
        {"vectors": "others"},
        {"labels": ["dogs", "hours"]},
        {"labels": ["dogs", "hours", "hours"]},
        {"labels": "abc"},
        {"words": ["dog"]},
        {"characters": None},
        {"temperature": 0},
        {"temperature": "warm"},
        {"temperature": None},
    ],
)
def test_an_artefact_that_contradicts_itself_is_refused(
    artefact: bytes, change: dict[str, object]
) -> None:
    arrays = load(artefact)
    about = {**orjson.loads(arrays["about"].tobytes()), **change}
    arrays["about"] = np.frombuffer(orjson.dumps(about), np.uint8)

    with pytest.raises(Invalid) as caught:
        Classifier.from_bytes(save(arrays))

    assert caught.value.code == "bad_artefact"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("weights", lambda weights: weights[:-1]),
        ("weights", lambda weights: weights.astype(np.float64)),
        ("weights", lambda weights: weights * np.float16("nan")),
        ("intercept", lambda intercept: intercept[:2]),
        ("words_idf", lambda idf: idf.reshape(1, -1)),
    ],
)
def test_numbers_of_another_shape_are_refused(
    artefact: bytes, name: str, change: Callable[[Any], Any]
) -> None:
    arrays = load(artefact)

    with pytest.raises(Invalid, match=f"do not fit together .*{name}"):
        Classifier.from_bytes(save({**arrays, name: change(arrays[name])}))
    with pytest.raises(Invalid, match=f"do not fit together .*{name}"):
        Classifier.from_bytes(save({key: arrays[key] for key in arrays if key != name}))


def test_an_artefact_about_nothing_is_refused() -> None:
    for about in (b"[]", b"null", b"[" * 5_000, b"\xff"):
        with pytest.raises(Invalid, match="cannot be used"):
            Classifier.from_bytes(save({"about": np.frombuffer(about, np.uint8)}))


def test_word_vectors_leave_the_logging_of_the_process_alone() -> None:
    word_vectors()

    assert "wordllama" not in sys.modules


@pytest.mark.skipif(not BANKING77.exists(), reason="needs shared/data beside the checkout")
def test_real_messages_are_told_apart_with_honest_confidence() -> None:
    with gzip.open(BANKING77, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    topics = sorted({row["category"] for row in rows})[:20]
    known = [row for row in rows if row["category"] in topics]
    lessons = [row for row in known if row["split"] == "train"][::2]
    exam = [row for row in known if row["split"] == "test"]

    classifier = train([row["text"] for row in lessons], [row["category"] for row in lessons])
    answers = classifier.predict_many([row["text"] for row in exam])

    right = np.array([a[0] == row["category"] for a, row in zip(answers, exam, strict=True)])
    sure = np.array([confidence for _, confidence in answers])
    assert right.mean() > 0.93
    assert abs(right.mean() - sure.mean()) < 0.04
    assert right[sure > 0.9].mean() > 0.97
