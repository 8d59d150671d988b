"""Every text of a request to a model, as guards judge it: what is not named here is judged too."""

from collections.abc import Iterator
from typing import Any

from lineside.apps.wire_texts import BESIDE, NESTING_MAX, May, TooDeep, WireTexts, is_usual
from lineside.core import Denied
from lineside.gateway import canonical
from lineside.guardrails import message

_VALUES = {"enum", "const", "default", "examples", "example"}
_NAMED = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}


class RequestTexts:
    """The texts of one request. Let `runs` pass, then take `request`."""

    def __init__(self, request: canonical.ModelRequest, *, is_guarded: bool) -> None:
        self._request = request
        self._found = WireTexts(is_guarded=is_guarded)
        try:
            self._tree = request.model_dump(mode="json")
            for turn in ([self._tree["system"]] if request.system else []) + self._tree["turns"]:
                self._turn(turn)
            self._asked()
        except ValueError:  # pydantic's own, where it goes past its own depth
            if is_guarded:
                raise Denied(
                    "guard_denied",
                    f"The request nests deeper than {NESTING_MAX}, no guard looks through it",
                    hint="Send it flatter.",
                ) from None

    @property
    def runs(self) -> list[list[message.MessageText]]:
        """Texts that follow each other stand together."""
        return self._found.runs

    @property
    def texts(self) -> Iterator[str]:
        """All of them as they are by now."""
        return (one.text for run in self.runs for one in run)

    @property
    def request(self) -> canonical.ModelRequest:
        """The request with its texts as they are by now."""
        if not self._found.put_back():
            return self._request
        return canonical.ModelRequest.model_validate(self._tree)

    def _asked(self) -> None:
        tree, found = self._tree, self._found
        found.model(tree)
        found.alone(tree, "user", "`user`")
        if tree["stop"]:
            found.value(tree, "stop", "`stop`", may="come_back")
        found.word(tree, "reasoning_effort", "the effort of reasoning")
        for tool in tree["tools"]:
            found.alone(tool, "name", "the name of a tool", may="stay")
            found.alone(tool, "description", "the description of a tool")
            self._schema(tool, "schema_of_arguments", "the schema of a tool")
            found.value(tool, "hosted", "a tool of the provider", may="stay")
            found.value(tool, "extras", "a tool")
        if choice := tree["tool_choice"]:
            found.alone(choice, "name", "the name of a tool", may="stay")
            found.value(choice, "extras", "the choice of a tool")
        if form := tree["answer_form"]:
            found.alone(form, "name", "the name of the answer's form", may="stay")
            self._schema(form, "json_schema", "the schema of the answer")
            found.value(form, "extras", "the form of the answer")
        if tree["extras"]:
            found.value(tree, "extras", BESIDE)

    def _turn(self, turn: dict[str, Any]) -> None:
        self._found.parts(turn["parts"])
        if turn["extras"]:
            self._found.value(turn, "extras", "a field of a message")

    def _schema(self, container: Any, key: Any, place: str, name: str = "", depth: int = 0) -> None:
        """A JSON Schema: what describes may change, what an answer gives back must come back."""
        schema, name = container[key], name or str(key)
        if depth > NESTING_MAX:
            raise TooDeep
        if isinstance(schema, list):
            for at in range(len(schema)):
                self._schema(schema, at, place, name, depth + 1)
        elif isinstance(schema, dict):
            for called in schema:
                if name in _NAMED or not is_usual(called):
                    self._found.name(called, place)
                if called in _VALUES and name not in _NAMED:
                    self._found.value(schema, called, place, may="come_back", depth=depth + 1)
                else:
                    self._schema(schema, called, place, depth=depth + 1)
        elif isinstance(schema, str):
            may: May = "change" if name in ("description", "title", "$comment") else "stay"
            self._found.value(container, key, place, may=may, name=name)
