"""An app that is open and answers: a candidate's files, model and schemas in memory."""

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from lineside.apps.candidate import Candidate, folder_of
from lineside.core import Denied, Invalid
from lineside.gateway import Model, ModelReply, provider_for
from lineside.store import Store
from lineside.usecases import UseCaseFolder

SERVABLE_KINDS = ("predict",)
"""Kinds of app that this version can serve; the others can be written down and checked."""


class App:
    """Answers typed calls. One app serves many calls at once and keeps nothing between them."""

    def __init__(self, folder: UseCaseFolder, model: Model) -> None:
        self.folder = folder
        self._model = model
        self._input = Draft202012Validator(dict(folder.input_schema))
        self._output = Draft202012Validator(dict(folder.output_schema))

    def check_input(self, payload: Any) -> None:
        """Raise `Invalid` with every reason why the input does not fit the app's schema."""
        problems = [spell_misfit(error) for error in self._input.iter_errors(payload)]
        if problems:
            fields = ", ".join(f"`{name}`" for name in self.folder.input_schema["properties"])
            raise Invalid(
                "input_misfit",
                "The input does not fit: " + "; ".join(sorted(problems)),
                hint=f"This app takes an object with {fields}.",
            )

    async def answer(self, payload: Mapping[str, Any]) -> ModelReply:
        """Answer one input; what comes back fits the output schema.

        Raises:
            Invalid: The input or the model's output does not fit its schema.
            Unavailable: The model does not answer now.
        """
        self.check_input(payload)
        reply = await self._model.answer(payload)
        error = next(self._output.iter_errors(reply.output), None)
        if error is not None:
            raise Denied(
                "output_misfit",
                f"The model's answer was held back, it does not fit: {spell_misfit(error)}",
                hint="The guard `matches_schema` lets out only what the manifest allows.",
            )
        return reply

    async def close(self) -> None:
        await self._model.close()


def open_app(store: Store, candidate: Candidate) -> App:
    """Load a candidate's files and model from their content addresses, checked against damage."""
    folder = folder_of(store, candidate)
    artefact = store.blobs.get(candidate.artefact) if candidate.artefact else None
    setup = folder.model_setup(artefact)
    return App(folder, provider_for(setup.spec).open(setup))


def spell_misfit(error: ValidationError) -> str:
    """Say in one clause where and why a value does not fit its schema."""
    place = ".".join(str(part) for part in error.absolute_path) or "the whole"
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return "missing " + ", ".join(f"`{name}`" for name in missing)
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        extra = sorted(set(error.instance) - set(known))
        return "unknown " + ", ".join(f"`{name}`" for name in extra)
    if error.validator == "type":
        kind = {"str": "string", "int": "integer", "float": "number", "dict": "object"}
        found = type(error.instance).__name__
        return f"`{place}` is {kind.get(found, found)}, expected {error.validator_value}"
    if error.validator == "enum":
        values = ", ".join(str(value) for value in error.validator_value[:8])
        return f"`{place}` is `{error.instance}`, expected one of {values}"
    return f"`{place}`: {error.message[:200]}"
