"""A fitted text classifier: three views of a message, one linear model, honest confidence.

Multinomial logistic regression weighs what `reading` sees in a message; one temperature makes its
probabilities honest. Only training imports scikit-learn: that import alone takes 3 s and 90 MB,
while the sums of a linear model need numpy only.
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from lineside.core import Invalid
from lineside.gateway.reading import (
    Floats,
    Grams,
    character_grams,
    clean,
    word_grams,
    word_vectors,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_array

RECIPE = 1  # raise it whenever an artefact would be read otherwise than before
HELD_OUT_ENOUGH = 1_000  # messages; one temperature needs no more
FOLDS = 5
INVERSE_PENALTY = 5.0
# Six passes over 10,003 messages reach the accuracy of nine; small sets need more, and are cheap.
PASSES_MIN, PASSES_MAX, STEPS_MIN = 6, 300, 12_000


@dataclass(frozen=True)
class Classifier:
    """Tells which label a message has, and how likely it is right. Safe to share among threads.

    Each message is answered on its own, so a batch changes nothing. An artefact made by the same
    training data in the same order, on the same kind of machine, has the same bytes.
    """

    labels: tuple[str, ...]
    temperature: float
    words: Grams
    characters: Grams
    weights: Floats
    intercept: Floats

    def predict(self, text: str) -> tuple[str, float]:
        """Return the likeliest label and the calibrated probability that it is right.

        Reads the first 20,000 characters, in about 0.2 ms for a short message and 30 ms for the
        longest. A message without a known word gets what the labels' frequencies say, which is
        little confidence where labels are many.
        """
        text = clean(text)
        vector = word_vectors().mean(text)
        scores = self.intercept + vector @ self.weights[-len(vector) :]
        start = 0
        for grams in (self.words, self.characters):
            columns, values = grams.row(text)
            scores = scores + values @ self.weights[columns + start]
            start += len(grams.index)
        best = int(scores.argmax())
        confidence = 1 / float(np.exp((scores - scores[best]) / self.temperature).sum())
        return self.labels[best], round(confidence, 6)

    def predict_many(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """Answer each message as `predict` does."""
        return [self.predict(text) for text in texts]

    def to_bytes(self) -> bytes:
        """Return the whole classifier as safetensors: numbers and JSON, nothing that can run."""
        from safetensors.numpy import save

        about = {
            "recipe": RECIPE,
            "labels": self.labels,
            "temperature": self.temperature,
            "words": list(self.words.index),
            "characters": list(self.characters.index),
            "vectors": word_vectors().fingerprint,
        }
        return save(
            {
                "about": np.frombuffer(orjson.dumps(about, option=orjson.OPT_SORT_KEYS), np.uint8),
                "words_idf": self.words.idf,
                "characters_idf": self.characters.idf,
                # safetensors copies memory as it lies, whatever the strides of the array say.
                "weights": self.weights.astype(np.float16, order="C"),
                "intercept": self.intercept,
            }
        )

    @classmethod
    def from_bytes(cls, artefact: bytes) -> "Classifier":
        """Open what `to_bytes` gave.

        Raises:
            Invalid: The bytes are damaged, of another recipe, or lean on other word vectors.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            arrays = load(artefact)
            about = orjson.loads(arrays["about"].tobytes())
            recipe, vectors = about["recipe"], about["vectors"]
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise _bad_artefact(f"it cannot be read ({error})") from error
        if recipe != RECIPE:
            raise _bad_artefact(f"its recipe is `{recipe}`, this version reads `{RECIPE}`")
        installed = word_vectors().fingerprint
        if vectors != installed:
            raise _bad_artefact(f"it leans on word vectors `{vectors}`, here are `{installed}`")
        try:
            return _checked(about, arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise _bad_artefact(f"its parts do not fit together ({error})") from error


def _bad_artefact(why: str) -> Invalid:
    return Invalid(
        "bad_artefact",
        f"The fitted classifier cannot be used: {why}",
        hint="Fit it again from its training file.",
    )


def _checked(about: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Classifier:
    """Build a classifier from an artefact's parts, or fail where they clash."""
    labels = about["labels"]
    vocabularies = [about["words"], about["characters"]]
    for names in (labels, *vocabularies):
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("labels and vocabularies are lists of text")
        if len(set(names)) < len(names):
            raise ValueError("a label or a piece stands there twice")
    temperature = float(about["temperature"])
    rows = sum(map(len, vocabularies)) + word_vectors().dimensions
    wanted = {
        "words_idf": (np.float32, (len(vocabularies[0]),)),
        "characters_idf": (np.float32, (len(vocabularies[1]),)),
        "weights": (np.float16, (rows, len(labels))),
        "intercept": (np.float32, (len(labels),)),
    }
    for name, (kind, shape) in wanted.items():
        if arrays[name].dtype != kind or arrays[name].shape != shape:
            raise ValueError(f"`{name}` is {arrays[name].dtype}{arrays[name].shape}, not {shape}")
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"`{name}` holds numbers that are not finite")
    if len(labels) < 2 or not 0 < temperature < math.inf:
        raise ValueError(f"{len(labels)} labels, temperature {temperature}")
    words, characters = ({gram: at for at, gram in enumerate(names)} for names in vocabularies)
    return Classifier(
        labels=tuple(labels),
        temperature=temperature,
        words=Grams(word_grams, words, arrays["words_idf"]),
        characters=Grams(character_grams, characters, arrays["characters_idf"]),
        weights=arrays["weights"].astype(np.float32),
        intercept=arrays["intercept"],
    )


def train(texts: Sequence[str], labels: Sequence[str], *, seed: int = 0) -> Classifier:
    """Learn which label each message has.

    The temperature comes from messages held out in turn (Guo et al. 2017, On Calibration of Modern
    Neural Networks); the weights are then learned from all of them. A label with one example is
    learned, but never held out. 10,003 messages of 77 labels take about 9 s of CPU,
    shared by two cores.

    Raises:
        Invalid: Texts and labels differ in number, or there are fewer than two different labels.
    """
    if len(texts) != len(labels):
        raise Invalid(
            "training_lengths_differ",
            f"{len(texts)} messages have {len(labels)} labels",
            hint="Give each message one label.",
        )
    names = sorted(set(labels))
    if len(names) < 2:
        raise Invalid(
            "training_needs_labels",
            f"A classifier needs examples of at least 2 labels, the training data has {len(names)}"
            + "".join(f": `{name}`" for name in names),
            hint="Add examples of the other labels.",
        )
    texts = [clean(text) for text in texts]
    words = Grams.learn(word_grams, texts)
    characters = Grams.learn(character_grams, texts)
    matrix = _matrix(texts, words, characters)
    code = {name: at for at, name in enumerate(names)}
    target = np.array([code[label] for label in labels])
    weights, intercept, temperature = _fit(matrix, target, seed=seed)
    return Classifier(
        labels=tuple(names),
        temperature=temperature,
        words=words,
        characters=characters,
        weights=weights,
        intercept=intercept,
    )


def _matrix(texts: Sequence[str], words: Grams, characters: Grams) -> "csr_array":
    from scipy.sparse import csr_array, hstack

    blocks = []
    for grams in (words, characters):
        rows = [grams.row(text) for text in texts]
        ends = np.cumsum([0, *(len(columns) for columns, _ in rows)], dtype=np.int32)
        columns = np.concatenate([columns for columns, _ in rows])
        values = np.concatenate([values for _, values in rows])
        blocks.append(csr_array((values, columns, ends), shape=(len(texts), len(grams.index))))
    blocks.append(csr_array(np.stack([word_vectors().mean(text) for text in texts])))
    joined: csr_array = hstack(blocks, format="csr", dtype=np.float32)
    joined.sort_indices()
    return joined


def _fit(
    matrix: "csr_array", target: NDArray[np.int64], *, seed: int
) -> tuple[Floats, Floats, float]:
    """Return weights and intercept learned from everything, and the temperature."""
    folds = list(_folds(target, seed=seed))
    with warnings.catch_warnings(), ThreadPoolExecutor(max_workers=2) as pool:
        # The number of passes is chosen, not found, so the solver always says it has not converged.
        warnings.simplefilter("ignore")
        # Each fit runs in one thread, outside the interpreter's lock and without BLAS: the order
        # of its sums, and so the bytes of the artefact, do not depend on the number of cores.
        whole = pool.submit(_regress, matrix, target, seed=seed)
        parts = [
            pool.submit(_regress, matrix[~held_out], target[~held_out], seed=seed)
            for held_out in folds
        ]
        weights, intercept = whole.result()
        scores = [
            matrix[held_out] @ part.result()[0] + part.result()[1]
            for held_out, part in zip(folds, parts, strict=True)
        ]
    if not scores:
        return weights, intercept, 1.0
    truth = np.concatenate([target[held_out] for held_out in folds])
    return weights, intercept, _temperature(np.concatenate(scores), truth)


def _regress(matrix: "csr_array", target: NDArray[np.int64], *, seed: int) -> tuple[Floats, Floats]:
    from sklearn.linear_model import LogisticRegression

    passes = min(PASSES_MAX, max(PASSES_MIN, STEPS_MIN // len(target)))
    model = LogisticRegression(
        C=INVERSE_PENALTY, solver="saga", max_iter=passes, tol=0, random_state=seed
    )
    model.fit(matrix, target)
    weights, intercept = model.coef_, model.intercept_
    if len(weights) == 1:
        # Of two labels scikit-learn keeps the second one's weights only; zero stands for the first.
        weights, intercept = np.vstack([0 * weights, weights]), np.append(0, intercept)
    # Half precision is what the artefact keeps; rounding here makes a fresh classifier answer
    # exactly as one that was loaded.
    half = weights.T.astype(np.float16, order="C")
    return half.astype(np.float32), intercept.astype(np.float32)


def _folds(target: NDArray[np.int64], *, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Yield which messages to hold out, each label in its share, until enough were held out.

    Each label keeps at least one message to learn from.
    """
    fold = np.full(len(target), -1)
    shuffled = np.random.default_rng(seed).permutation(len(target))
    for label in range(target.max() + 1):
        members = shuffled[target[shuffled] == label]
        if len(members) > 1:
            fold[members] = np.arange(len(members)) % FOLDS
    held_out = 0
    for number in range(FOLDS):
        chosen = fold == number
        if chosen.any() and held_out < HELD_OUT_ENOUGH:
            held_out += int(chosen.sum())
            yield chosen


def _temperature(scores: Floats, truth: NDArray[np.int64]) -> float:
    """Find the one divisor of the scores that makes held-out probabilities honest."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    # A little doubt, as in Platt's targets, keeps a small set without a mistake from claiming to
    # be certain.
    doubt = 1 / (len(truth) + 2)

    def loss(log_temperature: float) -> float:
        chances = log_softmax(scores / math.exp(log_temperature), axis=1)
        told = chances[np.arange(len(truth)), truth]
        return float(-((1 - doubt) * told + doubt * chances.mean(axis=1)).mean())

    found = minimize_scalar(loss, bounds=(math.log(0.02), math.log(20)), method="bounded")
    return round(math.exp(found.x), 3)
