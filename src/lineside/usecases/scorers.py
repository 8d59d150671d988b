"""What judges a result, as the manifest declares it: a name, a kind and its arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import yaml

from lineside.core import Invalid, NotFound, did_you_mean, plugins
from lineside.gateway import ModelSetup, provider_for
from lineside.usecases.document import Misread, quoted
from lineside.usecases.scorer_kinds import JUDGES, KINDS, TYPES, ScorerKind

SCORER_KINDS = tuple(KINDS)
_HINT = "A scorer looks like `- accuracy: {exact: topic}`, or `- valid: json_schema`."


@dataclass(frozen=True)
class ScorerDeclaration:
    """One scorer of the manifest.

    Attributes:
        name: Name of the score it gives, as gate rules use it.
        kind: One of `SCORER_KINDS`, or an installed plugin.
        arguments: By name, as the scorer takes them, such as `field`, `fields` (output fields) or
            `function` of a Python file (`scorers/polite.py:score`); for a plugin whatever was
            declared.
        NO_MODEL: Stands for the model of one's own function that asks none; `UNKNOWN_MODEL` where
            it asks one, and nobody knows which.
    """

    NO_MODEL: ClassVar = "none"
    UNKNOWN_MODEL: ClassVar = "unknown"

    name: str
    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, declared: object) -> Self:
        """Read one item of `tests.scorers`; raises `Misread`."""
        if not isinstance(declared, dict) or len(declared) != 1:
            raise _misread(_shown(declared), "one name and what judges it")
        [(name, rest)] = declared.items()
        if isinstance(rest, str):
            kind, given = rest, None
        elif isinstance(rest, dict) and len(rest) == 1:
            [(kind, given)] = rest.items()
        else:
            raise _misread(_shown(rest), f"one kind of scorer for `{name}`")
        if kind in SCORER_KINDS:
            return cls(name, kind, _arguments(name, kind, given))
        known = [*SCORER_KINDS, *plugins.plugin_names("scorers")]
        if kind in known:
            as_value = {} if given is None else {"value": given}
            return cls(name, kind, given if isinstance(given, dict) else as_value)
        near = did_you_mean(kind, known)
        raise _misread(
            quoted(kind),
            f"a kind of scorer ({', '.join(known)})",
            hint=f"Did you mean `{near}`?" if near else _HINT,
        )

    @property
    def fields(self) -> list[str]:
        """The output fields it looks at by name."""
        one = self.arguments.get("field") if self.kind in SCORER_KINDS else None
        many = self.arguments.get("fields", []) if self.kind in SCORER_KINDS else []
        return [*([one] if one else []), *many]

    @property
    def file(self) -> str | None:
        """The Python file it comes from, relative to the folder."""
        if self.kind != "python":
            return None
        return self.arguments.get("function", "").rpartition(":")[0] or None

    @property
    def model_files(self) -> list[str]:
        """Files that the models of a judge read, relative to the folder."""
        if self.kind not in JUDGES:
            return []
        options = self.arguments.get("options", {})
        setups = [ModelSetup(spec, {}, {}, _no_file, options=options) for spec in self.models]
        return [path for setup in setups for path in provider_for(setup.spec).files(setup)]

    @property
    def models(self) -> list[str]:
        """The models that a judge asks, or that one's own function does."""
        one, many = self.arguments.get("model"), self.arguments.get("models", [])
        if self.kind == "python":
            return [one] if one and one != self.NO_MODEL else []
        return ([one] if one else list(many)) if self.kind in JUDGES else []

    @staticmethod
    def kind_of(kind: str) -> ScorerKind | None:
        """What is known of a kind; nothing for a plugin's."""
        return KINDS.get(kind)

    def declared(self) -> dict[str, Any]:
        """The scorer as the manifest writes it; reading that gives the same scorer."""
        arguments = dict(self.arguments)
        return {self.name: {self.kind: arguments} if arguments else self.kind}


def read_scorers(path: Path) -> tuple[list[ScorerDeclaration], dict[str, bytes]]:
    """Read a YAML list of scorers, as it stands under `tests.scorers`, and the files they name.

    Paths in it are relative to the file's folder.

    Raises:
        Invalid: `bad_scorer` says what was read, what was expected and what to write.
    """
    try:
        rows = yaml.safe_load(path.read_bytes())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Invalid("bad_scorer", f"`{path.name}` cannot be read: {error}", hint=_HINT) from None
    if not isinstance(rows, list) or not rows:
        read = type(rows).__name__ if rows else "nothing"
        raise Invalid("bad_scorer", f"`{path.name}` holds {read}, expected a list", hint=_HINT)
    try:
        scorers = [ScorerDeclaration.read(row) for row in rows]
        names = [file for one in scorers for file in (one.file, *one.model_files) if file]
        return scorers, {name: (path.parent / name).read_bytes() for name in names}
    except Misread as error:
        raise Invalid("bad_scorer", f"`{path.name}`: {error}", hint=error.hint) from None
    except OSError as error:
        raise Invalid("bad_scorer", f"`{path.name}` names a file: {error}", hint=_HINT) from None


DEFAULT_SCORERS = (ScorerDeclaration("accuracy", "exact"),)
ALWAYS_SCORED = (
    ScorerDeclaration("latency_ms", "latency_ms"),
    ScorerDeclaration("cost_usd", "cost_usd"),
)


def _arguments(name: str, kind: str, given: object) -> dict[str, Any]:
    known = KINDS[kind]
    given = _long_form(kind, given)
    allowed = ", ".join(f"`{word}`" for word in known.takes) or "none"
    if not isinstance(given, dict):
        raise _misread(_shown(given), f"the arguments of `{kind}` ({allowed})")
    for word, value in given.items():
        if word not in known.takes:
            near = did_you_mean(word, known.takes)
            raise _misread(
                quoted(word),
                f"an argument of `{kind}` ({allowed})",
                hint=f"Did you mean `{near}`?" if near else _HINT,
            )
        _check_value(word, value, known.takes[word])
    for word in known.needs:
        if word not in given:
            raise _misread(
                f"`{kind}` without `{word}`", "it", hint=f"Write `- {name}: {known.example}`."
            )
    if kind in JUDGES:
        _check_models(name, kind, given)
    if kind == "python":
        file, _, function = given["function"].rpartition(":")
        if not file or not function.isidentifier():
            raise _misread(
                quoted(given["function"]),
                "a file and a function in it",
                hint=f"Write `- {name}: {known.example}`.",
            )
    return given


def _check_value(word: str, value: object, wanted: str | tuple[str, ...]) -> None:
    if isinstance(wanted, tuple):
        if value not in wanted:
            near = did_you_mean(str(value), wanted)
            raise _misread(
                f"{_shown(value)} for `{word}`",
                f"one of {', '.join(f'`{choice}`' for choice in wanted)}",
                hint=f"Did you mean `{near}`?" if near else _HINT,
            )
        return
    is_bool = isinstance(value, bool) and wanted != "true or false"
    if not isinstance(value, TYPES[wanted]) or is_bool or value in ("", []):
        raise _misread(f"{_shown(value)} for `{word}`", wanted)
    if isinstance(value, int | float) and value < 0:
        raise _misread(f"{_shown(value)} for `{word}`", "0 or more")
    if wanted == "a list of texts" and not all(isinstance(item, str) for item in value):  # type: ignore[attr-defined]
        raise _misread(f"{_shown(value)} for `{word}`", wanted)
    if wanted == "a list of levels" and not _are_levels(value):
        raise _misread(
            f"{_shown(value)} for `{word}`",
            "two or more levels from worst to best, each with what it means",
            hint="Write `levels: {rude: It insults., polite: It thanks.}`.",
        )


def _are_levels(value: Any) -> bool:
    """Whether these are levels; a list, since stored mappings forget their order."""
    return len(value) >= 2 and all(
        isinstance(item, dict) and len(item) == 1 and isinstance(next(iter(item.values())), str)
        for item in value
    )


def arguments_of(kind: str, given: object) -> dict[str, Any] | None:
    """The arguments of a scorer, however short they are written; nothing where they are none."""
    spelled = _long_form(kind, given)
    return dict(spelled) if isinstance(spelled, dict) else None


def _check_models(name: str, kind: str, given: dict[str, Any]) -> None:
    if ("model" in given) == ("models" in given):
        raise _misread(
            f"`{kind}` with {'both' if 'model' in given else 'neither'} of `model` and `models`",
            "one of them",
            hint=f"Write `- {name}: {KINDS[kind].example}`.",
        )
    for spec in given.get("models") or [given["model"]]:
        if isinstance(spec, str) and spec.startswith("route:"):
            raise _misread(
                quoted(spec),
                "one model",
                hint="A judge is licensed for one model, and a route asks several: name the model.",
            )
        try:
            provider_for(spec)
        except Invalid as error:
            raise _misread(quoted(spec), "a model", hint=error.hint or _HINT) from None


def _no_file(path: str) -> bytes:
    raise NotFound("no_file", f"`{path}` is not read here")


def _long_form(kind: str, given: object) -> object:
    """Spell out the short ways of writing arguments."""
    if given is None:
        return {}
    if kind in JUDGES and isinstance(given, dict) and isinstance(given.get("levels"), dict):
        return {**given, "levels": [{str(word): said} for word, said in given["levels"].items()]}
    if isinstance(given, str):
        if kind in ("exact", "field_match"):
            return {"fields": [given]}
        return {"function" if kind == "python" else "field": given}
    if kind in ("exact", "field_match"):
        if isinstance(given, list) and all(isinstance(item, str) for item in given):
            return {"fields": given}
        if isinstance(given, dict) and isinstance(given.get("field"), str):
            rest = {word: value for word, value in given.items() if word != "field"}
            return {"fields": [given["field"]], **rest}
    if kind == "numeric" and isinstance(given, dict) and "tolerance" in given:
        tolerance = given["tolerance"]
        rest = {word: value for word, value in given.items() if word != "tolerance"}
        if isinstance(tolerance, str) and tolerance.rstrip().endswith("%"):
            try:
                return {**rest, "relative": float(tolerance.rstrip()[:-1]) / 100}
            except ValueError:
                raise _misread(
                    quoted(tolerance), "a number such as `0.01`, or a share such as `1%`"
                ) from None
        return {**rest, "absolute": tolerance}
    return given


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping" if len(value) == 1 else f"a mapping of {len(value)} names"
    return "a list" if isinstance(value, list) else "nothing" if value is None else f"`{value}`"


def _misread(read: str, expected: str, *, hint: str = _HINT) -> Misread:
    return Misread(read, expected, hint=hint, code="bad_scorer")
