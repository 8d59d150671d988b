"""What the records alone cannot judge: files, names that refer to others, secrets, ranges."""

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Any

from lineside.core import did_you_mean
from lineside.gateway import provider_names
from lineside.usecases.document import ManifestProblem, Mark, Misread, Node, quoted
from lineside.usecases.fields import FieldReader
from lineside.usecases.files import FILE_BYTES_MAX, Files
from lineside.usecases.guards import GUARD_POINTS, GuardDeclaration
from lineside.usecases.kinds import kind_problems, shaped_output
from lineside.usecases.manifest import text_field
from lineside.usecases.rollouts import rollout_problems
from lineside.usecases.rules import GateRule
from lineside.usecases.scorers import (
    ALWAYS_SCORED,
    DEFAULT_SCORERS,
    ScorerDeclaration,
)

_SECRET_WORDS = frozenset(
    {"key", "apikey", "token", "secret", "password", "passwd", "credential", "credentials"}
)
_SECRET_VALUE = re.compile(r"(?:(?:sk|pk|rk|gsk|hf|xai|ghp|nvapi)[-_]|AIza)[\w-]{12,}", re.ASCII)


class Meaning:
    """Checks one file's tree beside its structure, so that all problems show at once.

    Attributes:
        problems: What is wrong.
        files: Every file that the manifest refers to and that a release must hold.
        input_schema: JSON Schema of the input, an object.
        output_schema: JSON Schema of the output, an object.
    """

    def __init__(self, root: Node, files: Files, *, file: str, with_data: bool) -> None:
        self.problems: list[ManifestProblem] = []
        self.files: dict[str, bytes] = {}
        self.input_schema: dict[str, Any] = {}
        self.output_schema: dict[str, Any] = {}
        self._root = root
        self._source = files
        self._file = file
        self._with_data = with_data

    def check(self) -> None:
        """Go through the manifest from top to bottom."""
        self._fields()
        self._kind()
        self._model()
        self._secrets(self._root.get("app", "options"))
        self._knobs()
        self._guards()
        self._cache()
        self._prompt_and_dataset()
        scorers = self._scorers()
        self._gate(scorers)
        self._rollout(scorers)
        self.problems.sort(key=lambda problem: problem.line or 0)

    def _note(
        self, mark: Mark, read: str, expected: str, *, hint: str, code: str = "bad_value"
    ) -> None:
        self.problems.append(
            ManifestProblem(self._file, mark.line, mark.column, read, expected, hint, code)
        )

    def _note_misread(self, mark: Mark, wrong: Misread) -> None:
        self._note(mark, wrong.read, wrong.expected, hint=wrong.hint, code=wrong.code)

    def _fields(self) -> None:
        reader = FieldReader(
            self._file, lambda path: self._source.read(path, bytes_max=FILE_BYTES_MAX)
        )
        for side in ("input", "output"):
            node = self._root.get("app", side)
            if node is None or not isinstance(node.value, dict) or not node.value:
                continue  # the structure has said so
            schema = reader.object_schema(node)
            if side == "input":
                self.input_schema = schema
            else:
                self.output_schema = shaped_output(self._root.get("app", "kind"), schema)
        self.problems += reader.problems
        self.files.update(reader.files)

    def _kind(self) -> None:
        app = self._root.get("app")
        if app is not None:
            for mark, wrong in kind_problems(app, self._source, with_data=self._with_data):
                self._note_misread(mark, wrong)

    def _model(self) -> None:
        node = self._root.get("app", "model")
        if node is None or not isinstance(node.value, str) or not node.value:
            return
        provider, colon, model = node.value.partition(":")
        known = provider_names()
        choices = ", ".join(f"`{name}:`" for name in known)
        if provider not in known:
            near = did_you_mean(provider.strip().casefold(), known)
            hint = f"Did you mean `{near}:{model.strip()}`?" if near else "Write `openai:gpt-…`."
            self._note(node.mark, node.shown(), f"a provider ({choices}) and a model", hint=hint)
        elif not colon or not model.strip():
            hint = "Write provider, colon and model, such as `embedded:classifier`."
            self._note(node.mark, node.shown(), f"a model after `{provider}:`", hint=hint)

    def _secrets(self, node: Node | None) -> None:
        """Refuse what looks like a secret; the message never shows it."""
        if node is None or not isinstance(node.value, dict | list):
            return
        if isinstance(node.value, list):
            for item in node.value:
                self._secrets(item)
            return
        for name, inner in node.value.items():
            words = set(re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()))
            is_named = bool(words & _SECRET_WORDS) and not name.lower().endswith("_env")
            is_text = isinstance(inner.value, str) and inner.value != ""
            if is_text and (is_named or _SECRET_VALUE.search(inner.value)):
                self._note(
                    (node.keys or {})[name],
                    f"`{name[:80]}` with a value that looks like a secret",
                    "the name of an environment variable",
                    hint="Write `api_key_env: NAME` and put the key into the environment variable "
                    "NAME; if this file was shared, change the key.",
                    code="secret_in_manifest",
                )
            else:
                self._secrets(inner)

    def _cache(self) -> None:
        node = self._root.get("cache", "semantic")
        if node is not None and node.value is True and text_field(self.input_schema) is None:
            hint = (
                "Leave `semantic` out, or let the input have one text, beside choices and numbers."
            )
            said = "`semantic` of an input without one text"
            self._note(node.mark, said, "an input that is asked in one text", hint=hint)

    def _knobs(self) -> None:
        first: dict[str, int] = {}
        for knob in self._items("knobs"):
            name, default = knob.get("name"), knob.get("default")
            kind, of = knob.get("kind"), knob.get("of")
            if name is not None and isinstance(name.value, str):
                if name.value in first:
                    self._note(
                        name.mark,
                        f"{name.shown()} a second time (first on line {first[name.value]})",
                        "each knob once",
                        hint="Rename or remove one of them.",
                        code="duplicate_value",
                    )
                first.setdefault(name.value, name.mark.line)
            if kind is not None and kind.value == "choice":
                self._choice(knob, of, default)
            elif kind is not None and kind.value == "number":
                self._range(knob, default)
            elif kind is not None and kind.value == "boolean":
                self._switch(default)

    def _choice(self, knob: Node, of: Node | None, default: Node | None) -> None:
        for extra in ("min", "max"):
            if extra in knob.value:
                mark = (knob.keys or {})[extra]
                hint = f"Remove `{extra}`, or write `kind: number`."
                self._note(mark, f"`{extra}` in a `choice`", "it in a `number` only", hint=hint)
        if of is None or not isinstance(of.value, list) or not of.value:
            hint = "Add `of: [suggest, act]` with what may be chosen."
            self._note(knob.mark, "a `choice` without `of`", "its choices", hint=hint)
        elif default is not None and default.value not in (choices := of.plain()):
            near = did_you_mean(default.source, [str(choice) for choice in choices])
            self._note(
                default.mark,
                f"{default.shown()} as `default`",
                f"one of {', '.join(f'`{choice}`' for choice in choices)}",
                hint=f"Did you mean `{near}`?" if near else "Add it to `of`, or take one of these.",
            )

    def _switch(self, default: Node | None) -> None:
        if default is not None and not isinstance(default.value, bool):
            hint = "Write it without quotes."
            self._note(default.mark, default.shown(), "`true` or `false`", hint=hint)

    def _range(self, knob: Node, default: Node | None) -> None:
        low, high = knob.get("min"), knob.get("max")
        if low is None or high is None:
            missing = "min" if low is None else "max"
            hint = f"Add `{missing}: …`; a knob without a range cannot be shown to be safe."
            self._note(knob.mark, f"a `number` without `{missing}`", "its range", hint=hint)
            return
        if not (_is_number(low) and _is_number(high)):
            return
        if low.value >= high.value:
            read = f"`min` {low.source} and `max` {high.source}"
            self._note(low.mark, read, "`min` below `max`", hint="Swap them.")
        elif default is not None and not (
            _is_number(default) and low.value <= default.value <= high.value
        ):
            self._note(
                default.mark,
                f"{default.shown()} as `default`",
                f"a number from {low.source} to {high.source}",
                hint="Move the default into the range, or widen the range.",
            )

    def _guards(self) -> None:
        for point in GUARD_POINTS:
            for node in self._items("guards", point):
                try:
                    guard = GuardDeclaration.read(node.plain())
                except Misread:
                    continue  # the structure has said so
                if guard.is_for_output and point in ("input", "pre_model_call"):
                    read = f"`{guard.name}` at `guards.{point}`"
                    hint = "Move it to `guards.output`."
                    self._note(node.mark, read, "it on answers", hint=hint, code="bad_guard")
                if guard.file is not None and self._hold(node, guard.file):
                    function = guard.arguments["function"]
                    self._function(node, function, takes="message", code="bad_guard")
                for source in guard.sources:
                    self._hold(node, source)

    def _prompt_and_dataset(self) -> None:
        prompt = self._root.get("app", "prompt")
        if prompt is not None and isinstance(prompt.value, str):
            self._hold(prompt, prompt.value)
            try:
                self.files.get(prompt.value, b"").decode()
            except UnicodeDecodeError:
                hint = "Save the file again with the encoding UTF-8."
                self._note(prompt.mark, prompt.shown(), "text in UTF-8", hint=hint)
        dataset = self._root.get("tests", "dataset")
        if self._with_data and dataset is not None and isinstance(dataset.value, str):
            try:
                self._source.has(dataset.value)
            except Misread as wrong:
                self._note_misread(dataset.mark, wrong)

    def _hold(self, node: Node, path: str) -> bool:
        """Take a file into what a release holds."""
        try:
            self.files[path] = self._source.read(path, bytes_max=FILE_BYTES_MAX)
        except Misread as wrong:
            self._note_misread(node.mark, wrong)
            return False
        return True

    def _scorers(self) -> dict[str, ScorerDeclaration]:
        """The scorers in force by name; those that do not read are the structure's to report."""
        found: dict[str, ScorerDeclaration] = {}
        fields = list(self.output_schema.get("properties", {}))
        nodes = list(self._items("tests", "scorers"))
        for node in nodes:
            try:
                scorer = ScorerDeclaration.read(node.plain())
            except Misread:
                for name in node.value if isinstance(node.value, dict) else ():
                    found[name] = ScorerDeclaration(name, "python")
                continue
            if scorer.name in found:
                read = f"the score {quoted(scorer.name)} a second time"
                self._note(node.mark, read, "each name once", hint="Rename one of them.")
            found[scorer.name] = scorer
            for field in scorer.fields:
                if fields and field not in fields:
                    near = did_you_mean(field, fields)
                    self._note(
                        node.mark,
                        quoted(field),
                        f"a field of the output ({', '.join(fields)})",
                        hint=f"Did you mean `{near}`?" if near else "Declare it in `app.output`.",
                        code="bad_scorer",
                    )
            for path in scorer.model_files:
                self._hold(node, path)
            self._secrets(node.get(scorer.name, scorer.kind, "options"))
            if scorer.file is not None and self._hold(node, scorer.file):
                function = scorer.arguments["function"]
                self._function(node, function, takes="context", code="bad_scorer")
        for scorer in (*(() if nodes else DEFAULT_SCORERS), *ALWAYS_SCORED):
            found.setdefault(scorer.name, scorer)
        return found

    def _function(self, node: Node, place: str, *, takes: str, code: str) -> None:
        """See that a declaration names a function of its file, without running the file."""
        file, _, function = place.rpartition(":")
        try:
            tree = ast.parse(self.files[file])
        except (SyntaxError, ValueError, RecursionError) as error:
            line = getattr(error, "lineno", None)
            hint = f"Line {line}: {getattr(error, 'msg', error)}." if line else f"{error}."
            self._note(node.mark, quoted(file), "a Python file", hint=hint, code=code)
            return
        names = [part.name for part in tree.body if hasattr(part, "name")]
        names += [
            alias.asname or alias.name
            for part in tree.body
            if isinstance(part, ast.ImportFrom)
            for alias in part.names
        ]
        assigned = [part.targets for part in tree.body if isinstance(part, ast.Assign)]
        names += [item.id for row in assigned for item in row if isinstance(item, ast.Name)]
        if function not in names:
            near = did_you_mean(function, names)
            hint = (
                f"Did you mean `{near}`?" if near else f"Define `def {function}({takes}):` there."
            )
            self._note(
                node.mark,
                quoted(function),
                f"a function of `{file}`",
                hint=hint,
                code=code,
            )

    def _gate(self, scorers: dict[str, ScorerDeclaration]) -> None:
        kinds = {name: scorer.kind for name, scorer in scorers.items()}
        for node in self._items("tests", "gate"):
            try:
                rule = GateRule.read(node.value)
            except Misread:
                continue  # the structure has said so
            wrong = rule.misfit(kinds)
            if wrong is not None:
                self._note_misread(node.mark, wrong)

    def _rollout(self, scores: Iterable[str]) -> None:
        for mark, wrong in rollout_problems(self._root.get("rollout"), scores):
            self._note_misread(mark, wrong)

    def _items(self, *path: str) -> Iterator[Node]:
        node = self._root.get(*path)
        if node is not None and isinstance(node.value, list):
            yield from node.value


def _is_number(node: Node) -> bool:
    return isinstance(node.value, int | float) and not isinstance(node.value, bool)
