"""How near two texts are, by what runs in this process; read lazily, since it needs numpy."""

from collections import Counter
from math import sqrt


def vector_similarity(first: str, second: str) -> float:
    """Cosine of the mean word vectors of two texts, 0 to 1; opposite directions count as 0."""
    from lineside.gateway.reading import clean, word_vectors

    if clean(first) == clean(second):
        return 1.0
    vectors = word_vectors()
    cosine = float(vectors.mean(clean(first)) @ vectors.mean(clean(second)))
    return min(1.0, max(0.0, cosine))


def gram_similarity(first: str, second: str) -> float:
    """Cosine of how often two texts have each piece of 3 or 4 letters, 0 to 1."""
    from lineside.gateway.reading import character_grams, clean

    one, other = Counter(character_grams(clean(first))), Counter(character_grams(clean(second)))
    if one == other:
        return 1.0
    shared = sum(count * other[gram] for gram, count in one.items())
    lengths = sqrt(sum(n * n for n in one.values()) * sum(n * n for n in other.values()))
    return shared / lengths if lengths else 0.0
