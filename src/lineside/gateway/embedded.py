"""`embedded:classifier`: a model that is trained from the use case folder and runs in this process.

It reads the text fields of the input and fills the one field of the output that has an `enum`. Each
line of the training file is one example, as JSON; more keys may stand beside these two:

    {"input": {"message": "Where is my card?"}, "expected": {"topic": "card_arrival"}}

`app.options.train` names the file, `datasets/train.jsonl` unless it is given.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from lineside.core import Invalid, LinesideError, did_you_mean
from lineside.gateway.model import ModelReply, ModelSetup
from lineside.gateway.output import shorten

if TYPE_CHECKING:
    from lineside.gateway.classifier import Classifier

SPEC = "embedded:classifier"
TRAINING_FILE = "datasets/train.jsonl"
TRAINING_BYTES_MAX = 100 * 1024 * 1024
_EXAMPLE = '`{"input": {…}, "expected": {…}}`'


class EmbeddedProvider:
    """Fits and opens classifiers that need no server, no key and no money per call."""

    def check(self, setup: ModelSetup) -> list[str]:
        """Say what is wrong with the name, the options, the schemas and the training file."""
        form, problems = _form(setup)
        if form is None:
            return problems
        try:
            _, labels = _examples(setup, form)
        except LinesideError as error:
            return [*problems, error.message]
        return problems + _thin(form, Counter(labels), setup)

    def files(self, setup: ModelSetup) -> list[str]:
        """The training file."""
        return [path] if (path := _training_file(setup)) else []

    def fit(self, setup: ModelSetup) -> bytes | None:
        """Train on the folder's examples; the same examples give the same bytes."""
        from lineside.gateway.classifier import train

        return train(*_examples(setup, _right_form(setup))).to_bytes()

    def open(self, setup: ModelSetup) -> "EmbeddedModel":
        """Load the fitted classifier; about 0.4 s the first time in a process."""
        form = _right_form(setup)
        if setup.artefact is None:
            raise Invalid(
                "model_not_fitted",
                f"`{setup.spec}` has not been fitted yet",
                hint="Fit it first: `lineside test` and `lineside release` do so.",
            )
        from lineside.gateway.classifier import Classifier

        classifier = Classifier.from_bytes(setup.artefact)
        strange = sorted(set(classifier.labels) - set(form.labels))
        if strange:
            raise Invalid(
                "bad_artefact",
                f"The fitted classifier answers `{strange[0]}`, which `{form.label_field}` does "
                "not allow",
                hint="Fit it again: the output schema changed since.",
            )
        return EmbeddedModel(classifier, form)


class EmbeddedModel:
    """An opened `embedded:` model."""

    def __init__(self, classifier: "Classifier", form: "_Form") -> None:
        self._classifier = classifier
        self._form = form

    async def answer(
        self,
        payload: Mapping[str, Any],
        *,
        knobs: Mapping[str, Any] | None = None,  # noqa: ARG002 # there is no prompt to place them in
    ) -> ModelReply:
        """Answer with the likeliest label; see `Model.answer`."""
        # A message takes about 0.3 ms, less than handing it to a thread and waiting for it.
        label, confidence = self._classifier.predict(self._form.text(payload))
        output: dict[str, Any] = {self._form.label_field: label}
        if self._form.reports_confidence:
            output["confidence"] = confidence
        return ModelReply(output=output, model=SPEC, confidence=confidence, cost_usd=0.0)

    async def close(self) -> None:
        """Nothing to give back."""


@dataclass(frozen=True)
class _Form:
    """What the classifier reads of the input and writes into the output."""

    text_fields: tuple[str, ...]
    required: frozenset[str]
    label_field: str
    labels: tuple[str, ...]
    reports_confidence: bool

    def text(self, payload: Mapping[str, Any]) -> str:
        values = (payload.get(name) for name in self.text_fields)
        return "\n".join(value for value in values if isinstance(value, str))


def _form(setup: ModelSetup) -> tuple[_Form | None, list[str]]:
    """Read the schemas; what is wrong with them, and no form if a classifier cannot fit them."""
    problems = _name_problems(setup)
    inputs, outputs = _fields(setup.input_schema), _fields(setup.output_schema)
    text_fields = tuple(name for name, field in inputs.items() if _is(field, "string"))
    if not text_fields:
        problems.append(
            f"`{SPEC}` reads text, but the input has no text field, only {_listed(inputs)}"
        )
    choices = [name for name, field in outputs.items() if "enum" in field]
    if len(choices) != 1:
        problems.append(
            f"`{SPEC}` fills the one output field that has an `enum`; here "
            f"{_listed(choices)} of {_listed(outputs)} has one"
        )
        return None, problems
    label_field = choices[0]
    labels = outputs[label_field]["enum"]
    odd = next((label for label in labels if not isinstance(label, str)), None)
    if odd is not None or len(set(labels)) < 2:
        found = f"`{odd!r}`" if odd is not None else _listed(labels)
        problems.append(
            f"The `enum` of `{label_field}` must list two or more different texts, found {found}"
        )
        return None, problems
    reports_confidence = _is(outputs.get("confidence", {}), "number")
    filled = {label_field, "confidence"} if reports_confidence else {label_field}
    problems += [
        f"`{SPEC}` cannot fill the required output field `{name}`"
        for name in setup.output_schema.get("required", [])
        if name not in filled
    ]
    if problems:
        return None, problems
    required = frozenset(setup.input_schema.get("required", []))
    return _Form(text_fields, required, label_field, tuple(labels), reports_confidence), problems


def _fields(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    # `true` is a JSON Schema too; a field that may be anything is neither a text nor a choice.
    fields = schema.get("properties", {})
    return {name: field for name, field in fields.items() if isinstance(field, Mapping)}


def _name_problems(setup: ModelSetup) -> list[str]:
    problems = []
    name = setup.spec.partition(":")[2].strip()
    if name != "classifier":
        guess = did_you_mean(name, ["classifier", "quotes"])
        problems.append(
            f"There is no embedded model `{name}`"
            + (
                f", did you mean `{guess}`?"
                if guess
                else f": there are `{SPEC}`, `embedded:quotes`"
            )
        )
    problems += [
        f"`{SPEC}` has no option `{option}`: the only one is `train`"
        for option in setup.options
        if option != "train"
    ]
    path = setup.options.get("train", TRAINING_FILE)
    if not isinstance(path, str) or not path:
        problems.append(f"The option `train` is the path of a file, found `{path!r}`")
    return problems


def _right_form(setup: ModelSetup) -> _Form:
    form, problems = _form(setup)
    if form is None:
        raise Invalid(
            "bad_model_setup",
            problems[0],
            hint="; ".join(problems[1:4]) or "Correct `app` in the manifest.",
        )
    return form


def _thin(form: _Form, counts: Mapping[str, int], setup: ModelSetup) -> list[str]:
    """Say which labels the examples cannot teach."""
    path = _training_file(setup)
    if len(counts) < 2:
        return [f"`{path}` must have examples of at least 2 labels, it has {_listed(counts)}"]
    untaught = [label for label in form.labels if label not in counts]
    if not untaught:
        return []
    return [
        f"`{path}` has no example of {_listed(untaught)}, so the model will never answer "
        + ("it" if len(untaught) == 1 else "them")
    ]


def _training_file(setup: ModelSetup) -> str:
    return str(setup.options.get("train", TRAINING_FILE))


def _examples(setup: ModelSetup, form: _Form) -> tuple[list[str], list[str]]:
    """Read all texts and their labels; a wrong line is named, and nothing of the file is kept."""
    path = _training_file(setup)
    content = setup.read_file(path)
    if len(content) > TRAINING_BYTES_MAX:
        raise Invalid(
            "training_file_too_large",
            f"`{path}` has {len(content):,} bytes, the limit is {TRAINING_BYTES_MAX:,}",
            hint="A classifier learns little beyond some thousand examples per label; take a part.",
        )
    texts, labels = [], []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            text, label = _example(line, form)
        except ValueError as error:
            raise Invalid(
                "bad_training_line",
                f"`{path}`, line {number}: {error}",
                hint=f"Correct the line; nothing of the file was used. A line is {_EXAMPLE}.",
            ) from error
        texts.append(text)
        labels.append(label)
    if not texts:
        raise Invalid(
            "training_file_empty",
            f"`{path}` holds no examples",
            hint=f"Write one example per line: {_EXAMPLE}.",
        )
    return texts, labels


def _example(line: bytes, form: _Form) -> tuple[str, str]:
    """Read one line; ValueError says what was read and what was expected."""
    try:
        example = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"expected JSON, read {_shown(line)} ({error})") from error
    if not isinstance(example, dict):
        raise ValueError(f"expected {_EXAMPLE}, read {_shown(line)}")
    payload, expected = (_part(example, name) for name in ("input", "expected"))
    for name in form.text_fields:
        value = payload.get(name, None if name in form.required else "")
        if value is None and name in form.required:
            raise ValueError(f"`input` lacks the field `{name}`{_meant(name, payload)}")
        if not isinstance(value, str | None):
            raise ValueError(f"`input.{name}` must be a text, read `{shorten(repr(value), 60)}`")
    text = form.text(payload)
    if not text.strip():
        raise ValueError(f"there is no text in {_listed(form.text_fields)} of `input`")
    if form.label_field not in expected:
        meant = _meant(form.label_field, expected)
        raise ValueError(f"`expected` lacks the field `{form.label_field}`{meant}")
    label = expected[form.label_field]
    if label not in form.labels:
        guess = did_you_mean(str(label)[:200], form.labels)
        raise ValueError(
            f"`expected.{form.label_field}` is `{shorten(str(label), 60)}`, expected "
            + (f"one of the {len(form.labels)} labels, did you mean `{guess}`?" if guess else "")
            + ("" if guess else _listed(form.labels))
        )
    return text, label


def _part(example: dict[str, Any], name: str) -> dict[str, Any]:
    if name not in example:
        raise ValueError(
            f"the key `{name}` is missing{_meant(name, example)}; a line is {_EXAMPLE}"
        )
    part = example[name]
    if not isinstance(part, dict):
        raise ValueError(f"`{name}` must be an object, read `{shorten(repr(part), 60)}`")
    return part


def _meant(name: str, present: Mapping[str, Any]) -> str:
    near = did_you_mean(name, present)
    return f" (it has `{near}`)" if near else ""


def _is(field: Mapping[str, Any], kind: str) -> bool:
    named = field.get("type")
    return kind in named if isinstance(named, list) else named == kind


def _listed(names: Any) -> str:
    """Name up to five things for a sentence."""
    names = list(names)
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(f"`{name}`" for name in names[:5]) + more or "none"


def _shown(line: bytes) -> str:
    return f"`{shorten(line.decode('utf-8', 'replace').strip(), 60)}`"
