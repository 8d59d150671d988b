"""An app that is open and answers: a candidate's files, model and schemas in memory."""

from collections.abc import Mapping
from typing import Any

from lineside.apps.candidate import Candidate, folder_of
from lineside.core import Denied, Invalid
from lineside.gateway import Form, Model, ModelReply, provider_for, show
from lineside.store import Store
from lineside.usecases import UseCaseFolder

SERVABLE_KINDS = ("predict", "answer")
"""Kinds of app that this version can serve; the others can be written down and checked."""


class App:
    """Answers typed calls. One app serves many calls at once and keeps nothing between them."""

    def __init__(self, folder: UseCaseFolder, model: Model) -> None:
        self.folder = folder
        self._model = model
        self._input = Form(folder.input_schema)
        self._output = Form(folder.output_schema)

    def check_input(self, payload: Any) -> None:
        """Raise `Invalid` with every reason why the input does not fit the app's schema."""
        if isinstance(payload, dict):
            problems = self._input.problems(payload)
        else:
            problems = [f"it is {show(payload)}, expected an object"]
        if problems:
            fields = ", ".join(f"`{name}`" for name in self.folder.input_schema["properties"])
            raise Invalid(
                "input_misfit",
                "The input does not fit: " + "; ".join(problems),
                hint=f"This app takes an object with {fields}.",
            )

    async def answer(
        self, payload: Mapping[str, Any], *, knobs: Mapping[str, Any] | None = None
    ) -> ModelReply:
        """Answer one input; what comes back fits the output schema.

        Raises:
            Invalid: The input or the model's output does not fit its schema.
            Unavailable: The model does not answer now.
        """
        self.check_input(payload)
        reply = await self._model.answer(payload, knobs=knobs)
        problems = self._output.problems(reply.output)
        if problems:
            raise Denied(
                "output_misfit",
                f"The model's answer was held back, it does not fit: {'; '.join(problems)}",
                hint="The guard `matches_schema` lets out only what the manifest allows.",
            )
        return reply

    async def close(self) -> None:
        await self._model.close()


def open_app(store: Store, candidate: Candidate) -> App:
    """Load a candidate's files and model from their content addresses, checked against damage."""
    folder = folder_of(store, candidate)
    artefact = store.blobs.get(candidate.artefact) if candidate.artefact else None
    if candidate.kind == "answer":
        return App(folder, _grounded(folder, artefact or b""))
    setup = folder.model_setup(artefact)
    return App(folder, provider_for(setup.spec).open(setup))


def _grounded(folder: UseCaseFolder, index: bytes) -> Model:
    # Read here, because apps that predict need nothing of it.
    from lineside.apps.answers.grounded import GroundedModel
    from lineside.apps.answers.index import SourceIndex

    setup = folder.model_setup()
    model = provider_for(setup.spec).open(setup)
    return GroundedModel(model, SourceIndex(index), folder.manifest.app.retrieval)
