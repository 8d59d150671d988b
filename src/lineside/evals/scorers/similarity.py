"""How near two texts are in what they say, without a call to anywhere."""

from lineside.evals.scorer import Score, Scorer, ScorerContext
from lineside.evals.scorers.answers import nothing_expected, text_of, wanted_texts
from lineside.gateway import gram_similarity, vector_similarity

WAYS = {"vectors": vector_similarity, "grams": gram_similarity}


def similarity(*, name: str, field: str, by: str = "vectors") -> Scorer:
    """How near the text is to the expected one: 1 is the same, 0 has nothing in common.

    By `vectors`: the cosine of the mean static word vectors of the package wordllama (256
    dimensions, 32,000 pieces of words, mostly English; below 0 counts as 0). It knows that "bill"
    is near "invoice", and does not know that "not paid" is far from "paid". By `grams`: the cosine
    of the counts of 3 and 4 letters in a row, which forgives typos and knows no meaning. Both run
    in this process. Of several expected texts the nearest counts.
    """
    near = WAYS[by]

    def score(context: ScorerContext) -> Score:
        wanted = wanted_texts(context, field)
        if not wanted:
            return nothing_expected(name, field)
        read = text_of(context, field)
        return Score(name, max(near(read, text) for text in wanted))

    return score
