"""An app that is open and answers: a candidate's files, model and schemas in memory."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from lineside.apps.candidate import Candidate, folder_of, setup_in
from lineside.apps.guarded import Guarded, GuardedAnswer
from lineside.core import Denied, Invalid
from lineside.gateway import Form, Model, ModelReply, calls, provider_for, show
from lineside.guardrails import chain_for, probes
from lineside.store import Store
from lineside.usecases import UseCaseFolder

if TYPE_CHECKING:
    from lineside.apps.answers.grounded import GroundedModel

SERVABLE_KINDS = ("predict", "answer")
"""Kinds of app that this version can serve; the others can be written down and checked."""


RouteAt = Callable[[Mapping[str, Any]], calls.ModelRoute]
"""Says which route is asked, by where the knobs stand."""


Around = Callable[[Mapping[str, Any], Callable[[], Awaitable[ModelReply]]], Awaitable[ModelReply]]
"""Stands around the model within the guards, such as budgets: given the input as guards let it
pass, and what asks the model."""


class App:
    """Answers typed calls. One app serves many calls at once and keeps nothing between them.

    Attributes:
        reads_bytes: What its model may read of sources beside the input, at most.
    """

    def __init__(
        self,
        folder: UseCaseFolder,
        model: "Model | GroundedModel",
        route_at: RouteAt | None = None,
        *,
        reads_bytes: int = 0,
    ) -> None:
        self.folder = folder
        self.reads_bytes = reads_bytes
        self._route_at = route_at
        self._model = model
        self._input = Form(folder.input_schema)
        self._output = Form(folder.output_schema)
        self.chain = chain_for(folder)
        names = [guard.kind for guard in folder.manifest.guards.output]
        self.guarded = Guarded(self.chain, marks_provenance="provenance" in names)

    @property
    def reads_sources(self) -> bool:
        """Whether it answers from passages of sources."""
        return self.folder.manifest.app.kind == "answer"

    def route_at(self, knobs: Mapping[str, Any]) -> calls.ModelRoute | None:
        """The route that is asked where the knobs stand so; nothing where one model is."""
        return self._route_at(knobs) if self._route_at else None

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
        around: Around | None = None,
    ) -> ModelReply:
        """Answer one input between the app's guards; what comes back fits the output schema.

        Args:
            guarded: Keeps what the guards said, also where they hold the call back.
            around: Stands between the guards and the model.

        Raises:
            Invalid: The input or the model's output does not fit its schema.
            Denied: A guard holds the call back.
            Unavailable: The model does not answer now.
        """
        state = guarded or self.guarded.begin()
        is_probe = probes.probed_point(payload) is not None
        if not is_probe:
            self.check_input(payload)

        async def ask_model(passed: Mapping[str, Any]) -> ModelReply:
            state.is_asked = True
            more = {"judge": state.passages} if self.reads_sources else {}
            reply = await self._model.answer(passed, knobs=knobs, **more)
            if not is_probe:
                self.check_output(reply.output, is_guarded=False)
            return reply

        async def ask(passed: Mapping[str, Any]) -> ModelReply:
            if around is None or is_probe:
                return await ask_model(passed)
            return await around(passed, lambda: ask_model(passed))

        return await self.guarded.run(
            state,
            payload,
            check_input=self.check_input,
            ask=ask,
            check_output=self.check_output,
        )

    def check_output(self, output: Any, *, is_guarded: bool = True) -> None:
        """Raise `Denied` with every reason why an answer does not fit the app's schema.

        Args:
            is_guarded: Guards have let it pass, so that the reasons may quote it.
        """
        problems = self._output.problems(output)
        if problems:
            said = f": {'; '.join(problems)}" if is_guarded else ""
            error = Denied(
                "output_misfit",
                f"The model's answer was held back, it does not fit{said}",
                hint="The guard `matches_schema` lets out only what the manifest allows.",
            )
            error.quotes = () if is_guarded else ("; ".join(problems),)
            raise error

    async def close(self) -> None:
        await self._model.close()


def open_app(store: Store, candidate: Candidate) -> App:
    """Load a candidate's files and model from their content addresses, checked against damage."""
    folder = folder_of(store, candidate)
    artefact = store.blobs.get(candidate.artefact) if candidate.artefact else None
    is_answer = candidate.kind == "answer"
    setup = setup_in(store, folder, None if is_answer else artefact)
    model = provider_for(setup.spec).open(setup)
    route_at = getattr(model, "route_at", None)
    if not is_answer:
        return App(folder, model, route_at)
    grounded = _grounded(model, folder, artefact or b"")
    return App(folder, grounded, route_at, reads_bytes=grounded.bytes_max)


def _grounded(model: Model, folder: UseCaseFolder, index: bytes) -> "GroundedModel":
    # Read here, because apps that predict need nothing of it.
    from lineside.apps.answers.grounded import GroundedModel
    from lineside.apps.answers.index import SourceIndex

    return GroundedModel(model, SourceIndex(index), folder.manifest.app.retrieval)
