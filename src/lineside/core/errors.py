"""The five ways a request can go wrong; doors turn them into statuses and exit codes, once."""


class LinesideError(Exception):
    """What every error of lineside has: a stable code, what happened, and what to do next.

    Args:
        code: Stable name a program may match on, such as `"release_not_approved"`.
        message: What happened, with the values that were read. No final period on one sentence.
        hint: What the person should do next, or nothing where there is nothing to do.

    Attributes:
        is_paid: A model has answered before it came to this, or may have begun to.
        private: Words in it that are for whoever runs lineside alone, such as an internal address,
            each with what stands in its place for others.
        quotes: What it would say of a model's answer. It is no part of the message until guards
            have let it pass, since the message goes to callers, traces and logs.
    """

    is_paid = False
    private: tuple[tuple[str, str], ...] = ()
    quotes: tuple[str, ...] = ()

    def __init__(self, code: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (jobs, workers); keyword-only arguments need help to do so.
        return _rebuild, (type(self), self.code, self.message, self.hint)


def _rebuild(kind: type[LinesideError], code: str, message: str, hint: str | None) -> LinesideError:
    return kind(code, message, hint=hint)


class Invalid(LinesideError):
    """What was given cannot be read or breaks a rule; the giver must change it."""


class NotFound(LinesideError):
    """What was asked for is not here."""


class Conflict(LinesideError):
    """It was right a moment ago, but something else happened first or stands in the way."""


class Denied(LinesideError):
    """It is understood and refused: a rule, a gate or a missing right says no."""


class Unavailable(LinesideError):
    """Something outside does not answer now; trying again later may work."""
