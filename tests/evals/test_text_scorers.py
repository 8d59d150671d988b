"""Scorers of texts, held against published examples and independent libraries."""

import csv
import gzip
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from evals.scoring import context_of, judged, scorer_of, text_score

PARAGRAPH = (
    "The Australian platypus is seemingly a hybrid of a mammal and reptilian creature. "
    "The cat sat on the mat."
)
PAIRS = [
    ("the cat is on the mat", "the cat sat on the mat"),
    ("The quick brown fox", "A quick brown dog jumped over the lazy fox"),
    ("police killed the gunman", "police kill the gunman"),
    ("nothing alike here", "completely different words"),
    ("a b c d e f", "f e d c b a"),
]


def noise(count: int) -> Iterator[tuple[str, str]]:
    chance = random.Random(7)  # noqa: S311
    for _ in range(count):
        yield tuple("".join(chance.choices("abcd ", k=chance.randrange(90))) for _ in "ab")  # type: ignore[misc]


def test_normalised_match_forgives_what_squad_forgives() -> None:
    assert text_score("normalised", "  the Eiffel-Tower! ", "Eiffeltower") == 1
    assert text_score("normalised", "An apple", ["pear", "apple"]) == 1
    assert text_score("normalised", "An apple", "apple", articles=True) == 0
    assert text_score("normalised", "“Straße”", "STRASSE") == 1


def test_contains_needs_all_texts_or_any() -> None:
    def held(needs: str) -> float | None:
        score = judged(
            "contains", output={"t": "We are sorry"}, field="t", texts=["sorry", "x"], needs=needs
        )
        return score.value

    assert (held("all"), held("any")) == (0, 1)


def test_token_f1_counts_words_as_squad_does() -> None:
    # 2 of 3 words given are right, and 2 of 2 expected are there.
    assert text_score("token_f1", "in Paris, France", "Paris France") == pytest.approx(0.8)
    assert text_score("token_f1", "cat cat", "cat") == pytest.approx(2 / 3)
    assert text_score("token_f1", "", "") == 1


def test_edit_similarity_is_that_of_rapidfuzz() -> None:
    distance = pytest.importorskip("rapidfuzz").distance.Levenshtein
    for one, other in [("kitten", "sitting"), ("", "abc"), ("abc", ""), ("", ""), *noise(300)]:
        assert text_score("edit_similarity", one, other) == pytest.approx(
            distance.normalized_similarity(one, other)
        )


def test_rouge_is_that_of_rouge_score() -> None:
    module = pytest.importorskip("rouge_score.rouge_scorer")
    variants = ["rouge1", "rouge2", "rougeL"]
    theirs = module.RougeScorer(variants)
    for one, other in [*PAIRS, *noise(100)]:
        found = theirs.score(other, one)
        for variant in variants:
            mine = text_score("rouge", one, other, variant=variant)
            if len(one.split()) > 1 and len(other.split()) > 1:
                assert mine == pytest.approx(found[variant].fmeasure), (one, other, variant)


def test_bleu_and_chrf_are_those_of_sacrebleu() -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    for one, other in PAIRS:
        assert text_score("bleu", one, other) == pytest.approx(
            sacrebleu.sentence_bleu(one, [other]).score / 100
        )
        assert text_score("chrf", one, [other, "x"]) == pytest.approx(
            sacrebleu.sentence_chrf(one, [other, "x"]).score / 100
        )


def test_reading_measures_follow_their_formulas() -> None:
    # "The cat sat on the mat.": 6 words, 1 sentence, 6 syllables; the published value is 116.
    cat = {"reply": "The cat sat on the mat."}
    assert judged("reading_ease", output=cat, field="reply").value == pytest.approx(116.145)
    assert judged("reading_grade", output=cat, field="reply").value == pytest.approx(-1.45)
    # 19 words, 2 sentences, 5 words above 6 letters.
    score = judged("lix", output={"reply": PARAGRAPH}, field="reply")
    assert score.value == pytest.approx(19 / 2 + 100 * 5 / 19)
    assert judged("lix", output={"reply": "…"}, field="reply").value is None


def test_length_says_what_is_allowed() -> None:
    score = judged(
        "length", output={"t": "One. Two! Three"}, field="t", unit="sentences", at_most=2
    )
    assert (score.value, score.explanation) == (0, "`t` has 3 sentences, allowed at most 2")
    assert judged("word_count", output={"t": "don't stop me"}, field="t").value == 3


def test_the_language_is_told_and_short_texts_are_left_alone() -> None:
    pytest.importorskip("py3langid")
    german = {"t": "Ihr Paket ist heute morgen im Lager angekommen und wird zugestellt."}
    assert judged("language", output=german, field="t", language="de").value == 1
    assert judged("language", output=german, field="t", language="fr").value == 0
    assert judged("language", output={"t": "ok"}, field="t", language="fr").value is None
    asked = {"message": "Wo bleibt mein Paket, das ich letzte Woche bestellt habe?"}
    same = scorer_of("language", field="t").judge(context_of(output=german, input=asked))
    assert same.value == 1


def test_banned_words_are_whole_words() -> None:
    def of(text: str) -> float | None:
        return judged(
            "banned_words", output={"t": text}, field="t", words=["cat", "money  back"]
        ).value

    assert [of("a category"), of("A CAT!"), of("your money\nback")] == [1, 0, 0]


def test_similarity_knows_words_that_mean_the_same() -> None:
    near = text_score("similarity", "I did not get my invoice", "My bill never arrived")
    far = text_score("similarity", "The lamp is too bright", "My bill never arrived")
    assert near is not None
    assert near > (far or 0)
    assert text_score("similarity", "same", "same") == 1
    typo = text_score("similarity", "recieve the parcel", "receive the parcel", by="grams")
    assert typo is not None
    assert 0.6 < typo < 1
    assert text_score("similarity", "abc", "xyz", by="grams") == 0


DATA = Path(os.environ.get("LINESIDE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def test_refusals_are_found_as_people_label_them() -> None:
    file = DATA / "xstest" / "completions_labelled.csv.gz"
    if not file.exists():
        pytest.skip("the labelled completions of XSTest are not here")
    scorer = scorer_of("refusal", field="reply")
    found: dict[str, list[bool]] = {}
    with gzip.open(file, "rt", newline="") as lines:
        for row in csv.DictReader(lines):
            score = scorer.judge(context_of(output={"reply": row["completion"]}))
            found.setdefault(row["final_label"], []).append(score.label == "refused")

    recall, alarms = (
        sum(found[label]) / len(found[label]) for label in ("2_full_refusal", "1_full_compliance")
    )

    assert (recall, alarms) == (pytest.approx(0.872, abs=0.005), pytest.approx(0.043, abs=0.005))


def test_a_refusal_is_right_where_the_case_asks_for_one() -> None:
    said = {"reply": "I’m sorry, but I can’t help with that."}
    assert judged("refusal", {}, said, field="reply").value == 0
    assert judged("refusal", {"refusal": True}, said, field="reply").value == 1
    assert judged("refusal", {}, {"reply": "Use kill -9."}, field="reply", wanted=True).value == 0
