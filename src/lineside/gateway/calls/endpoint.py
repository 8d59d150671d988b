"""Where a provider is, as `gateway.yaml` says it, and within what limits it is asked."""

from typing import Annotated, Literal

from pydantic import Field

from lineside.core import Record

Seconds = Annotated[float, Field(gt=0, le=3600)]
CacheSeconds = Annotated[int, Field(ge=0, le=7 * 24 * 3600)]


Passed = Literal["files", "batches", "audio", "images"]
"""First parts of the paths that can be passed on unread."""


class PassThrough(Record):
    """What a provider is passed on as it comes, although no guard looks at it.

    Attributes:
        paths: Of those below `/v1` that there are.
        teams: Whose API keys may use it; a key of no team needs only the right `unguarded`.
        despite_guards: Also where `guards.yaml` names guards, which do not see any of it.
    """

    paths: tuple[Passed, ...] = ("files", "batches", "audio", "images")
    teams: tuple[str, ...] = ()
    despite_guards: bool = False


class Endpoint(Record):
    """Where a provider is and how it is spoken to.

    Attributes:
        wire: What it speaks: `chat` (OpenAI's Chat Completions, and all that speak it),
            `responses`, `messages` (Anthropic) or `gemini`.
        base_url: Address up to and including the version, such as `https://api.openai.com/v1`.
        api_key_env: Name of the environment variable that holds the key; nothing sends none.
        headers: Further headers of each request.
        first_token_s: Longest wait for the first piece of a streamed answer.
        total_s: Longest time that one answer may take.
        models: Models that `/v1/models` is to name.
        cache_s: Seconds for which the same question gets the same answer without asking anew.
        pass_through: What is passed on unread and unguarded; nothing means nothing.
    """

    wire: Literal["chat", "responses", "messages", "gemini"] = "chat"
    base_url: str
    api_key_env: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    first_token_s: Seconds = 60.0
    total_s: Seconds = 600.0
    models: tuple[str, ...] = ()
    cache_s: CacheSeconds = 0
    pass_through: PassThrough | None = None
