"""What a model is to lineside: something that answers one typed call."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from lineside.core import step_kinds

if TYPE_CHECKING:
    from lineside.traces import prices


class CalledFor(NamedTuple):
    """On whose behalf a model is asked: what prices hold, and whom a sticky route knows again.

    Attributes:
        traceparent: The step of a trace that it is asked for.
    """

    workspace: str
    session: str | None = None
    user: str | None = None
    traceparent: str | None = None


called_for: ContextVar[CalledFor | None] = ContextVar("called_for", default=None)
"""Set by whoever asks an opened model; models that are the same for all need not look."""


@dataclass(frozen=True)
class ModelSetup:
    """All that a provider needs to fit and open a model; nothing of it is read from anywhere else.

    Attributes:
        spec: The manifest's `app.model`, such as `openai:gpt-4.1-mini`; the part after the first
            colon is the provider's own.
        input_schema: JSON Schema of the app's input, an object.
        output_schema: JSON Schema of the app's output, an object.
        prompt: Text of the prompt file, or nothing.
        options: The manifest's `app.options`, such as `base_url`, `api_key_env`, `temperature`.
        read_file: Gives the bytes of a file of the use case folder or of the release by its
            relative path; raises `NotFound`.
        artefact: What `ModelProvider.fit` returned for this setup, or nothing.
        knobs: Every knob of the manifest with its default; a prompt places one as `{{knob.name}}`.
        choices: What each knob of the kind `choice` may be set to.
        gateway_file: Where providers and routes stand; nothing is the place the environment names.
        price_tables: What models cost, for those that are chosen by it or answer by route.
    """

    spec: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    read_file: Callable[[str], bytes]
    prompt: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    artefact: bytes | None = None
    knobs: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gateway_file: Path | None = None
    price_tables: "prices.PriceTables | None" = None


class ReplyStep(NamedTuple):
    """Something done for an answer before the model was asked, as its trace shows it."""

    name: str
    kind: step_kinds.StepKind
    duration_ms: float
    input: Any
    output: Any
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class ModelReply:
    """What a model answered, with what it took.

    Attributes:
        output: The typed answer; fits the output schema.
        model: Name of the model that really answered.
        confidence: Calibrated probability that the answer is right, 0 to 1, if the model has one.
        tokens_in: Tokens read, including cached ones; nothing where the model does not count.
        tokens_out: Tokens written.
        cost_usd: What the call cost; nothing means unknown, never free. An embedded model is 0.
        attempts: Times the model was asked, re-asks included; 0 when it was not needed.
        steps: What was done for the answer before the model was asked, in order.
        provider: Who really answered, where that is decided for each call.
        why: Why it was asked, where that was not plain.
        lost: Tries that were left on their way, or given up as slow: nobody knows what they took.
        attributes: What else the model's step in the trace says.
    """

    output: dict[str, Any]
    model: str
    confidence: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    attempts: int = 1
    steps: tuple[ReplyStep, ...] = ()
    provider: str | None = None
    why: tuple[str, ...] = ()
    lost: int = 0
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def answered_by(self) -> str:
        """The model by the name it can be told apart by: with its provider where that is said."""
        return f"{self.provider}/{self.model}" if self.provider else self.model


class Model(Protocol):
    """An opened model. One model serves many calls at once."""

    async def answer(
        self, payload: Mapping[str, Any], *, knobs: Mapping[str, Any] | None = None
    ) -> ModelReply:
        """Answer one input that already fits the input schema.

        Args:
            knobs: Where the knobs stand for this call; those left out stand at their defaults.

        Raises:
            Unavailable: The model did not answer (down, slow, rate limited) within its limits.
            Invalid: It answered, but not in the form the output schema asks for, re-asked or not.
            Denied: It refused the credentials.
        """
        ...

    async def close(self) -> None:
        """Give back connections; the model answers no more calls."""
        ...


class ModelProvider(Protocol):
    """Fits and opens models of one kind; the word before the colon in `app.model` names it.

    One whose models read what lies neither in the folder nor in what it fits, such as weights on
    disk, also has `elsewhere(setup)`, which names that by its content: another name is another
    release. One whose models follow rules that stand elsewhere has `recorded(setup)`, which gives
    those as files by name; the release holds them, and `open` reads them from there.
    """

    def check(self, setup: ModelSetup) -> list[str]:
        """Say what is wrong with a setup, without calling anything; empty is good."""
        ...

    def files(self, setup: ModelSetup) -> list[str]:
        """Relative paths of the files this model reads; they become part of the release."""
        ...

    def fit(self, setup: ModelSetup) -> bytes | None:
        """Train what must be trained, reproducibly: the same setup gives the same bytes.

        Returns nothing for a model that is not trained here. Loading the bytes runs no code.
        """
        ...

    def open(self, setup: ModelSetup) -> Model:
        """Make the model ready to answer."""
        ...
