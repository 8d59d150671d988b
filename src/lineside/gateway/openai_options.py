"""What `app.options` may say of an `openai:` model, and where its key comes from."""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, ValidationError

from lineside.core import Denied, Invalid, Record, did_you_mean
from lineside.gateway.output import shorten

_BASE_URL = "https://api.openai.com/v1"
_KEY_ENV = "OPENAI_API_KEY"
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# Beginnings that providers give their keys; stars, since some show a key half hidden.
_KEY = re.compile(r"\b(?:(?:sk|pk|rk|gsk|hf|xai|ghp|nvapi)[-_]|AIza)[\w*-]{12,}", re.ASCII)

Limit = Annotated[int, Field(gt=0)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class OpenAIOptions(Record):
    """What `app.options` may say of an `openai:` model.

    Attributes:
        base_url: Address up to and including `/v1`; else `OPENAI_BASE_URL` of the environment, else
            OpenAI's own.
        api_key_env: Name of the environment variable that holds the key. Without it
            `OPENAI_API_KEY` is sent to OpenAI and to `OPENAI_BASE_URL`, and no key to a `base_url`.
        temperature: Sent only when given; some models refuse it.
        max_tokens: Tokens the answer may have; newer models of OpenAI want the next one instead.
        max_completion_tokens: The same for models that count their reasoning in.
        seed: Asks for the same answer to the same question; endpoints promise to try.
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

    @property
    def key_variable(self) -> str:
        """Name of the environment variable that holds the key."""
        return self.api_key_env or _KEY_ENV

    def address(self) -> str:
        """The base URL in force, without a slash at its end.

        Raises:
            Invalid: `OPENAI_BASE_URL` in the environment is no address.
        """
        from_environment = os.environ.get("OPENAI_BASE_URL", "").strip()
        wrong = _wrong_address(from_environment) if from_environment else None
        if wrong and not self.base_url:
            raise Invalid(
                "bad_model_setup",
                f"OPENAI_BASE_URL in the environment {wrong}",
                hint=f"Write it like `{_BASE_URL}`, or unset it.",
            )
        return (self.base_url or from_environment or _BASE_URL).rstrip("/")

    def key(self, address: str) -> str | None:
        """The key in force now, looked up at each call so that a new one needs no restart.

        Raises:
            Denied: One is needed and not there, or it cannot be sent.
        """
        if self.base_url and not self.api_key_env and address != _BASE_URL:
            return None  # a manifest from elsewhere must not be handed OpenAI's key unasked
        key = os.environ.get(self.key_variable, "").strip()
        if not key and (self.api_key_env or address == _BASE_URL):
            raise Denied(
                "model_key_missing",
                f"The environment variable `{self.key_variable}` holds no key for {address}",
                hint=f"Set it where lineside runs: `export {self.key_variable}=…`.",
            )
        if not (key.isascii() and key.isprintable()):
            raise Denied(
                "model_key_unusable",
                f"The environment variable `{self.key_variable}` holds signs no key has",
                hint="Copy the key again; it is one line of letters, digits and dashes.",
            )
        return key or None


def option_problems(options: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with `app.options` of an `openai:` model, without showing a key."""
    problems = []
    try:
        OpenAIOptions.model_validate(options)
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


def looks_like_key(text: str) -> bool:
    """Whether a text looks like a secret rather than like a name."""
    if _KEY.search(text):
        return True
    has_both = re.search(r"\d", text) and re.search(r"[a-z]", text)
    return len(text) >= 20 and bool(has_both) and " " not in text


def without_keys(text: str, *, key: str | None = None) -> str:
    """Take the given key, and whatever else has the form of one, out of a text for people."""
    if key:
        text = text.replace(key, "[key]")
    return _KEY.sub("[key]", text)


def _unknown_option(name: str) -> str:
    if name in ("api_key", "key", "token", "apikey"):
        return (
            f"Option `{name}` is not taken, since a manifest holds no keys: put the key into an "
            f"environment variable and write its name as `api_key_env`"
        )
    if looks_like_key(name):
        return "An option has a key for its name: put the key into an environment variable"
    near = did_you_mean(name, OpenAIOptions.model_fields)
    known = ", ".join(f"`{field}`" for field in OpenAIOptions.model_fields)
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
