"""What `app.options` may say of a model that is asked by a prompt, and where it then is."""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, ValidationError

from lineside.core import Invalid, Record, did_you_mean
from lineside.gateway.calls.endpoint import Endpoint
from lineside.gateway.calls.settings import BUILT_IN
from lineside.gateway.keys import looks_like_key, without_keys
from lineside.gateway.output import shorten

_BASE_URL = BUILT_IN["openai"].base_url
_KEY_ENV = "OPENAI_API_KEY"
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

Limit = Annotated[int, Field(gt=0)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PromptedOptions(Record):
    """What `app.options` may say of an `openai:`, `anthropic:` or `gemini:` model.

    Attributes:
        base_url: Address up to and including the version, mostly `/v1`; else `OPENAI_BASE_URL` of
            the environment for `openai:`, else the provider's own.
        api_key_env: Name of the environment variable that holds the key. Without it
            `OPENAI_API_KEY` is sent to OpenAI and to `OPENAI_BASE_URL`, `ANTHROPIC_API_KEY` to
            Anthropic, `GEMINI_API_KEY` to Gemini, and no key to a `base_url`.
        temperature: Sent only when given; some models refuse it.
        max_tokens: Tokens the answer may have; newer models of OpenAI want the next one instead.
        max_completion_tokens: The same for models that count their reasoning in.
        seed: Asks for the same answer to the same question; endpoints promise to try. Not sent to
            Anthropic, which has no word for it.
        timeout_s: Longest wait for one try, in seconds.
        retries_max: Further tries of one call after a failure that may pass.
        usd_per_million_in: Price of a million tokens read; the cost is known only with both prices.
        usd_per_million_out: Price of a million tokens written.
        trust_confidence: Take the `confidence` that the model wrote into its output as the
            probability of being right. Off, since such a number is not calibrated: the output keeps
            it, and `ModelReply.confidence` stays nothing.
    """

    model_config = ConfigDict(strict=True)

    base_url: str | None = None
    api_key_env: str | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Limit | None = None
    max_completion_tokens: Limit | None = None
    seed: int | None = None
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    retries_max: Annotated[int, Field(ge=0, le=20)] = 3
    usd_per_million_in: Price | None = None
    usd_per_million_out: Price | None = None
    trust_confidence: bool = False

    def endpoint(self, provider: str) -> tuple[Endpoint, bool]:
        """Where the model is, and whether a key is needed there.

        Raises:
            Invalid: `OPENAI_BASE_URL` in the environment is no address.
        """
        own = BUILT_IN[provider]
        moved = self._address_in_environment() if provider == "openai" else ""
        base_url = (self.base_url or moved or own.base_url).rstrip("/")
        is_own = base_url == own.base_url
        # A manifest from elsewhere must not be handed the provider's key unasked.
        is_elsewhere = bool(self.base_url) and not is_own
        variable = self.api_key_env or (None if is_elsewhere else own.api_key_env)
        limits = {"first_token_s": self.timeout_s, "total_s": self.timeout_s}
        there = {"base_url": base_url, "api_key_env": variable}
        return own.model_copy(update=there | limits), bool(self.api_key_env) or is_own

    def _address_in_environment(self) -> str:
        address = os.environ.get("OPENAI_BASE_URL", "").strip()
        wrong = _wrong_address(address) if address else None
        if wrong and not self.base_url:
            raise Invalid(
                "bad_model_setup",
                f"OPENAI_BASE_URL in the environment {wrong}",
                hint=f"Write it like `{_BASE_URL}`, or unset it.",
            )
        return address


def option_problems(options: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with `app.options` of a prompted model, without showing a key."""
    problems = []
    try:
        PromptedOptions.model_validate(options)
    except ValidationError as error:
        for detail in error.errors():
            name = str(detail["loc"][0])
            if detail["type"] == "extra_forbidden":
                problems.append(_unknown_option(name))
            else:
                reason = detail["msg"][:1].lower() + detail["msg"][1:]
                value = without_keys(shorten(repr(detail["input"]), 80))
                problems.append(f"Option `{name}` is `{value}`: {reason}")
    address, variable = options.get("base_url"), options.get("api_key_env")
    wrong = _wrong_address(address) if isinstance(address, str) else None
    if wrong:
        problems.append(f"Option `base_url` {wrong}")
    if isinstance(variable, str) and looks_like_key(variable):
        problems.append(
            "Option `api_key_env` looks like a key itself: put the key into an environment "
            f"variable, write the variable's name here, such as `{_KEY_ENV}`, and change the key "
            "if the file was shared"
        )
    elif isinstance(variable, str) and not _ENV_NAME.fullmatch(variable):
        problems.append(
            f"Option `api_key_env` is no name of an environment variable, such as `{_KEY_ENV}`"
        )
    return problems


def misfits(known: type[Record], options: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with `app.options` of a provider whose options stand in a record."""
    try:
        known.model_validate(options)
    except ValidationError as error:
        found = [(str(one["loc"][0]), one["type"], one["msg"]) for one in error.errors()]
        return [_misfit(known, name, kind, reason) for name, kind, reason in found]
    return []


def _misfit(known: type[Record], name: str, kind: str, reason: str) -> str:
    if kind != "extra_forbidden":
        return f"Option `{name}`: {reason[:1].lower()}{reason[1:]}"
    near = did_you_mean(name, known.model_fields)
    names = ", ".join(f"`{field}`" for field in known.model_fields)
    guess = f"did you mean `{near}`?" if near else f"known are {names}"
    return f"Option `{shorten(name, 80)}` is not known, {guess}"


def _unknown_option(name: str) -> str:
    if name in ("api_key", "key", "token", "apikey"):
        return (
            f"Option `{name}` is not taken, since a manifest holds no keys: put the key into an "
            f"environment variable and write its name as `api_key_env`"
        )
    if looks_like_key(name):
        return "An option has a key for its name: put the key into an environment variable"
    near = did_you_mean(name, PromptedOptions.model_fields)
    known = ", ".join(f"`{field}`" for field in PromptedOptions.model_fields)
    guess = f"did you mean `{near}`?" if near else f"known are {known}"
    return f"Option `{shorten(name, 80)}` is not known, {guess}"


def _wrong_address(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # raises where it is no number
    except ValueError:
        is_web = False
    if not is_web or re.search(r"\s", address):
        return f"is no web address, such as `{_BASE_URL}`"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "carries a user, a key or a query; it is only host and path, the key goes elsewhere"
    return None
