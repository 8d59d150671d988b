"""`scripted:<file>`: answers from a file of the folder, for tests, demos and teaching.

Each line of the file is one answer, as JSON:

    {"when": {"message": "Where is my card?"}, "output": {"topic": "card_arrival"}}
    {"when": {"contains": {"message": "refund"}}, "output": {"topic": "refund"}, "delay_ms": 300}
    {"when": {"pattern": {"message": "^ERR-\\d+"}}, "fail": "unavailable"}
    {"when": {"default": true}, "output": {"topic": "other"}, "confidence": 0.2}

The first line whose conditions all hold answers; the default line answers where none does.
"""

import asyncio
import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Annotated, Any, Literal

import orjson
from pydantic import ConfigDict, Field, ValidationError

from lineside.core import Denied, Invalid, LinesideError, Record, Unavailable, did_you_mean
from lineside.gateway.model import ModelReply, ModelSetup
from lineside.gateway.output import OutputForm, shorten

_FILE_BYTES_MAX = 64 * 1024 * 1024
_PROBLEMS_MAX = 20
_WORDS = ("contains", "pattern", "default")

Count = Annotated[int, Field(ge=0)]


class _Line(Record):
    """One scripted answer or failure, as the file has it."""

    model_config = ConfigDict(strict=True)

    when: dict[str, Any]
    output: dict[str, Any] | None = None
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    tokens_in: Count | None = None
    tokens_out: Count | None = None
    cost_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    delay_ms: Annotated[float, Field(ge=0, le=600_000)] = 0
    fail: Literal["unavailable", "invalid", "denied", "nonsense"] | None = None


class _Rule:
    """A line, ready to be asked whether it answers an input."""

    def __init__(self, number: int, line: _Line) -> None:
        when = line.when
        self.number = number
        self.line = line
        self.is_default = "default" in when
        self.exact = {name: value for name, value in when.items() if name not in _WORDS}
        self._contains = {name: part.casefold() for name, part in when.get("contains", {}).items()}
        self._patterns = {name: re.compile(text) for name, text in when.get("pattern", {}).items()}

    def holds(self, payload: Mapping[str, Any]) -> bool:
        return (
            all(name in payload and payload[name] == value for name, value in self.exact.items())
            and all(part in _text(payload, name) for name, part in self._contains.items())
            and all(
                isinstance(payload.get(name), str) and pattern.search(payload[name])
                for name, pattern in self._patterns.items()
            )
        )


class ScriptedProvider:
    """Opens models that answer from a file; they also play slowness and failures."""

    def check(self, setup: ModelSetup) -> list[str]:
        """Say what is wrong with the file, each with its line."""
        return _read(setup)[1]

    def files(self, setup: ModelSetup) -> list[str]:
        """The file with the answers."""
        return [_path(setup)] if _path(setup) else []

    def fit(self, setup: ModelSetup) -> bytes | None:  # noqa: ARG002 # asked of every provider
        """Nothing: there is nothing to train."""
        return None

    def open(self, setup: ModelSetup) -> "ScriptedModel":
        """Read the file and make the model ready."""
        rules, problems = _read(setup)
        if problems:
            raise Invalid(
                "bad_model_setup",
                problems[0],
                hint="; ".join(problems[1:4]) or f"Correct `{_path(setup)}`.",
            )
        return ScriptedModel(setup.spec, rules)


class ScriptedModel:
    """An opened `scripted:` model."""

    def __init__(self, spec: str, rules: list[_Rule]) -> None:
        self._spec = spec
        self._path = spec.partition(":")[2].strip()
        self._default = next((rule for rule in rules if rule.is_default), None)
        # A file may hold an answer for each of thousands of cases: those with an exact text are
        # looked up by it, and only the others are tried one by one.
        self._by_text: dict[tuple[str, str], list[_Rule]] = {}
        self._others: list[_Rule] = []
        for rule in rules:
            text = next((item for item in rule.exact.items() if isinstance(item[1], str)), None)
            if rule.is_default:
                continue
            if text is None:
                self._others.append(rule)
            else:
                self._by_text.setdefault(text, []).append(rule)

    async def answer(
        self,
        payload: Mapping[str, Any],
        *,
        knobs: Mapping[str, Any] | None = None,  # noqa: ARG002 # there is no prompt to place them in
    ) -> ModelReply:
        """Answer as the file says, after the delay it says; see `Model.answer`."""
        rule = self._rule_for(payload)
        line = rule.line
        if line.delay_ms:
            await asyncio.sleep(line.delay_ms / 1000)
        if line.fail is not None or line.output is None:
            raise _failure(line.fail, where=f"line {rule.number} of `{self._path}`")
        return ModelReply(
            output=deepcopy(line.output),  # the caller may change what it got
            model=self._spec,
            confidence=line.confidence,
            tokens_in=line.tokens_in,
            tokens_out=line.tokens_out,
            cost_usd=line.cost_usd,
        )

    async def close(self) -> None:
        """Do nothing: there are no connections."""

    def _rule_for(self, payload: Mapping[str, Any]) -> _Rule:
        texts = [item for item in payload.items() if isinstance(item[1], str)]
        near = [rule for item in texts for rule in self._by_text.get(item, ())]
        found = [rule for rule in near if rule.holds(payload)]
        other = next((rule for rule in self._others if rule.holds(payload)), None)
        candidates = [*found, *([other] if other else [])]
        if candidates:
            return min(candidates, key=lambda rule: rule.number)
        if self._default is not None:
            return self._default
        asked = shorten(orjson.dumps(dict(payload), default=str).decode(), 200)
        raise Unavailable(
            "answer_not_scripted",
            f"`{self._path}` has no answer for the input `{asked}`",
            hint='Add a line for it, or one with `"when": {"default": true}`.',
        )


def _failure(fail: str | None, *, where: str) -> LinesideError:
    hint = f"This failure is played on purpose by {where}."
    if fail == "denied":
        return Denied("model_denied", "The scripted model refuses the key", hint=hint)
    if fail == "invalid":
        return Invalid(
            "model_refused_request", "The scripted model does not take the request", hint=hint
        )
    if fail == "nonsense":
        return Invalid(
            "output_misfit", "The scripted model answered in a form that does not fit", hint=hint
        )
    return Unavailable("model_down", "The scripted model does not answer", hint=hint)


def _read(setup: ModelSetup) -> tuple[list[_Rule], list[str]]:
    """Read the file of a setup: its rules, and what is wrong with it in whole sentences."""
    path = _path(setup)
    if not path:
        return [], [f"`{setup.spec}` names no file: write it as in `scripted:answers.jsonl`"]
    try:
        data = setup.read_file(path)
        form = OutputForm(setup.output_schema)
    except LinesideError as error:
        return [], [error.message]
    if len(data) > _FILE_BYTES_MAX:
        return [], [f"`{path}` has {len(data)} bytes, limit {_FILE_BYTES_MAX}"]
    fields = set(setup.input_schema.get("properties", {}))
    rules: list[_Rule] = []
    problems: list[str] = []
    default_line = None
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not raw.strip():
            continue
        line, wrong = _parse(raw, fields=fields, form=form)
        if line is not None and "default" in line.when and default_line is not None:
            wrong = [f"a second default line, the first is line {default_line}"]
        problems += [f"`{path}`, line {number}: {text}" for text in wrong]
        if line is None or wrong:
            continue
        rules.append(_Rule(number, line))
        default_line = number if rules[-1].is_default else default_line
    if not rules and not problems:
        problems.append(f"`{path}` holds no answer")
    more = len(problems) - _PROBLEMS_MAX
    if more > 0:
        problems = [*problems[:_PROBLEMS_MAX], f"`{path}`: {more} more problems like these"]
    return rules, problems


def _parse(raw: bytes, *, fields: set[str], form: OutputForm) -> tuple[_Line | None, list[str]]:
    try:
        line = _Line.model_validate(orjson.loads(raw))
    except orjson.JSONDecodeError as error:
        return None, [f"not JSON: {error}"]
    except ValidationError as error:
        return None, [_sentence(detail["loc"], detail["msg"]) for detail in error.errors()]
    wrong = _wrong_conditions(line.when, fields=fields)
    if (line.output is None) == (line.fail is None):
        wrong.append("expected either `output` or `fail`")
    misfit = form.misfit(line.output) if line.output is not None else None
    if misfit:
        wrong.append(f"`output` does not fit the output schema. {shorten(misfit)}")
    return line, wrong


def _sentence(place: tuple[int | str, ...], message: str) -> str:
    name = ".".join(str(part) for part in place)
    if message.startswith("Extra inputs"):
        near = did_you_mean(name, _Line.model_fields)
        return f"`{name}` is not known" + (f", did you mean `{near}`?" if near else "")
    return f"`{name}`: {message[:1].lower()}{message[1:]}" if name else message


def _wrong_conditions(when: Mapping[str, Any], *, fields: set[str]) -> list[str]:
    if "default" in when and (when["default"] is not True or len(when) > 1):
        return ['a default line has `"when": {"default": true}` and no other condition']
    if not when:
        return ['`when` is empty; for any input write `{"default": true}`']
    wrong = []
    used = [name for name in when if name not in _WORDS]
    for word in ("contains", "pattern"):
        part = when.get(word, {})
        if not isinstance(part, dict) or not all(isinstance(text, str) for text in part.values()):
            wrong.append(f"`{word}` takes input fields with a text each")
            continue
        used += part
        if word == "pattern":
            wrong += [text for text in map(_wrong_pattern, part.values()) if text]
    for name in used:
        if fields and name not in fields:
            near = did_you_mean(name, [*fields, *_WORDS])
            guess = f", did you mean `{near}`?" if near else ""
            wrong.append(f"`{name}` is no field of the input{guess}")
    return wrong


def _wrong_pattern(pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"`{shorten(pattern, 80)}` is no regular expression: {error}"
    return None


def _text(payload: Mapping[str, Any], name: str) -> str:
    value = payload.get(name)
    return value.casefold() if isinstance(value, str) else ""


def _path(setup: ModelSetup) -> str:
    return setup.spec.partition(":")[2].strip()
