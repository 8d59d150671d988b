"""What an answer took: time, money, tokens. The number itself, lower is better."""

from lineside.evals.scorer import Score, Scorer, ScorerContext


def latency_ms(*, name: str) -> Scorer:
    """How long the answer took, in milliseconds."""
    return lambda context: Score(name, context.latency_ms)


def cost_usd(*, name: str) -> Scorer:
    """What the answer cost, in US dollars; missing where nobody knows."""
    return lambda context: Score(name, context.cost_usd)


def tokens(*, name: str) -> Scorer:
    """Tokens read and written; missing where the model does not count both."""

    def score(context: ScorerContext) -> Score:
        if context.tokens_in is None or context.tokens_out is None:
            return Score(name, None)
        return Score(name, float(context.tokens_in + context.tokens_out))

    return score


def tokens_in(*, name: str) -> Scorer:
    """Tokens that the model read; missing where it does not count."""
    return lambda context: Score(name, _number(context.tokens_in))


def tokens_out(*, name: str) -> Scorer:
    """Tokens that the model wrote; missing where it does not count."""
    return lambda context: Score(name, _number(context.tokens_out))


def _number(count: int | None) -> float | None:
    return None if count is None else float(count)
