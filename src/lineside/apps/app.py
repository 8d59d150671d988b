"""An app that is open and answers: a candidate's files, model and schemas in memory."""

from collections.abc import Mapping
from typing import Any

from lineside.apps.candidate import Candidate, folder_of
from lineside.apps.guarded import Guarded, GuardedAnswer
from lineside.core import Denied, Invalid
from lineside.gateway import Form, Model, ModelReply, provider_for, show
from lineside.guardrails import chain_for, probes
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
        self.chain = chain_for(folder)
        names = [guard.kind for guard in folder.manifest.guards.output]
        self.guarded = Guarded(self.chain, marks_provenance="provenance" in names)

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
        self,
        payload: Mapping[str, Any],
        *,
        knobs: Mapping[str, Any] | None = None,
        guarded: GuardedAnswer | None = None,
    ) -> ModelReply:
        """Answer one input between the app's guards; what comes back fits the output schema.

        Args:
            guarded: Keeps what the guards said, also where they hold the call back.

        Raises:
            Invalid: The input or the model's output does not fit its schema.
            Denied: A guard holds the call back.
            Unavailable: The model does not answer now.
        """
        if probes.probed_point(payload) is None:
            self.check_input(payload)

        async def ask(passed: Mapping[str, Any]) -> ModelReply:
            reply = await self._model.answer(passed, knobs=knobs)
            self.check_output(reply.output)
            return reply

        return await self.guarded.run(
            guarded or self.guarded.begin(),
            payload,
            check_input=self.check_input,
            ask=ask,
            check_output=self.check_output,
        )

    def check_output(self, output: Any) -> None:
        """Raise `Denied` with every reason why an answer does not fit the app's schema."""
        problems = self._output.problems(output)
        if problems:
            raise Denied(
                "output_misfit",
                f"The model's answer was held back, it does not fit: {'; '.join(problems)}",
                hint="The guard `matches_schema` lets out only what the manifest allows.",
            )

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
