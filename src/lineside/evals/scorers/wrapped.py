"""Whether one's own function asks a model, as many metrics of other libraries do.

Such a metric is a judge like ours. Its class tells, by what it takes; where nothing tells, the
manifest does. Who does not know asks: that it needs a licence is the safe answer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from importlib import import_module, metadata
from inspect import signature
from sys import stdlib_module_names
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import orjson

from lineside.core import Invalid
from lineside.evals.scorer import Score
from lineside.usecases import ScorerDeclaration

LIBRARIES = frozenset({"autoevals", "deepeval", "ragas"})
"""Their metrics say by what they take whether they ask a model."""
CLIENTS = frozenset(
    {"anthropic", "cohere", "groq", "instructor", "langchain", "langchain_core",
     "langchain_openai", "litellm", "llama_index", "mistralai", "ollama", "openai"}
)  # fmt: skip
"""Who uses one of these asks a model."""
_KNOWN = LIBRARIES | CLIENTS
_TAKES = frozenset(
    {"api_key", "client", "embeddings", "engine", "evaluation_model", "llm", "model"}
)
_SCORES = ("eval", "measure", "score", "ascore", "single_turn_ascore")
_NAMED_BY = ("evaluation_model", "model", "llm", "model_name", "langchain_llm")
_WORDING = frozenset(
    {"choice_scores", "criteria", "definition", "evaluation_steps", "instruction", "messages",
     "prompt", "rubric", "rubrics"}
)  # fmt: skip
_REACH_MAX = 2_000
_DEPTH_MAX = 4


@dataclass(frozen=True)
class AskedModel:
    """The model that one's own function asks.

    Attributes:
        model: Nothing where nobody knows which.
        digest: What makes it this judge: its file, its model, the wording and the version of the
            library's metrics.
    """

    model: str | None
    digest: str


class Witness:
    """Says of the scores of one's own function which model gave them.

    Args:
        model: What the manifest states, if it does: a name, `none` or `unknown`.

    Raises:
        Invalid: The manifest states that it asks no model, and it does.
    """

    def __init__(
        self, function: Any, *, name: str, reference: str, content: bytes, model: str | None
    ) -> None:
        self._identity = [reference, sha256(content).hexdigest()]
        self._stated = None if model == ScorerDeclaration.UNKNOWN_MODEL else model
        reach = _Reach(function)
        self._homes, self._has_library = reach.homes, reach.has_library
        judges = [thing for thing in reach.found if _asks(thing)]
        if self._stated == ScorerDeclaration.NO_MODEL:
            if judges:
                raise Invalid(
                    "bad_scorer",
                    f"Scorer `{name}` says `model: none`, but `{reference}` uses "
                    f"`{_title(judges[0])}`, which asks a model",
                    hint="Write `model: NAME`, and license it with `lineside judges licence "
                    f"{name}` before a gate leans on it.",
                )
            self.asked = None
        elif judges or self._stated or reach.is_unclear:
            self.asked = self._judge(judges)
        else:
            self.asked = None

    def __call__(self, given: Any, score: Score) -> Score:
        """The score with who gave it, where a model did; `given` is what the function returned."""
        asked = self.asked or self._told_by(given)
        if asked is None:
            return score
        model = _model_name(given) if _root(given) in LIBRARIES else None
        models = [model or asked.model] if model or asked.model else []
        detail = {**(score.detail or {}), "judge_digest": asked.digest, "models": models}
        return replace(score, detail=detail)

    def _told_by(self, given: Any) -> AskedModel | None:
        """What the returned object shows where the function itself shows nothing."""
        root = _root(given)
        is_score = isinstance(given, Score) or root in stdlib_module_names | {"numpy"}
        if is_score or not (hasattr(given, "score") or hasattr(given, "value")):
            return None
        if root in LIBRARIES:
            is_clear = self._has_library or self._stated or hasattr(given, "measure")
            return self._judge([given]) if _asks(given) or not is_clear else None
        is_own = type(given).__module__ in self._homes
        return None if is_own or self._stated else self._judge([])

    def _judge(self, things: list[Any]) -> AskedModel:
        named = [_model_name(thing) for thing in things]
        told = ", ".join(sorted({name for name in named if name})) if all(named) else None
        model = self._stated or told or None
        identity = {
            "own": self._identity,
            "model": model,
            "wording": sorted(_wording(thing) for thing in things),
            "versions": {root: _version(root) for root in sorted(map(_root, things))},
        }
        return AskedModel(model, sha256(orjson.dumps(identity)).hexdigest())


class _Reach:
    """What of other packages a function uses, however deep in the functions of its own file.

    Attributes:
        found: Classes, objects and functions of libraries and clients.
        has_library: Whether there is any.
        is_unclear: Whether it uses a library whose metric was not found, or more than was looked
            at.
    """

    def __init__(self, function: Any) -> None:
        self.found: list[Any] = []
        self.homes = {getattr(_plain(function), "__module__", None), type(function).__module__}
        self.homes -= {"builtins", "functools"}
        self._seen: dict[int, Any] = {}
        self._touches = self._is_cut = False
        self._follow(function, frozenset())
        self.has_library = self._touches or bool(self.found)
        is_told = any(_is_metric(thing) or _asks(thing) for thing in self.found)
        self.is_unclear = self._is_cut or (self.has_library and not is_told)

    def _follow(self, thing: Any, names: frozenset[str]) -> None:
        if isinstance(thing, ModuleType):
            self._follow_module(thing, names)
        elif id(thing) not in self._seen:
            self._is_cut |= len(self._seen) >= _REACH_MAX
            self._seen[id(thing)] = thing  # held, so that no other thing gets its id
            if not self._is_cut:
                for part, used in self._parts(thing, names):
                    self._follow(part, used)

    def _follow_module(self, module: ModuleType, names: frozenset[str]) -> None:
        if _root(module) in CLIENTS:
            self.found.append(module)
        elif _root(module) in LIBRARIES:
            self._touches = True
            for name in names & vars(module).keys():
                part = vars(module)[name]
                if _root(part) in _KNOWN and part is not module:
                    self._follow(part, names - {name})

    def _parts(self, thing: Any, names: frozenset[str]) -> Iterator[tuple[Any, frozenset[str]]]:
        if _root(thing) in _KNOWN:
            self.found.append(thing)
            held = {} if isinstance(thing, type | FunctionType) else getattr(thing, "__dict__", {})
            # The client by which a model is asked knows no model; who holds both has said it.
            known = LIBRARIES if held and _model_name(thing) else _KNOWN
            yield from ((part, names) for part in held.values() if _root(part) in known)
        elif isinstance(thing, FunctionType):
            yield from self._parts_of_function(thing)
        elif isinstance(thing, MethodType | staticmethod | classmethod):
            yield thing.__func__, names
            yield getattr(thing, "__self__", None), names
        elif isinstance(thing, partial):
            yield from ((part, names) for part in (thing.func, thing.args, thing.keywords))
        elif isinstance(thing, list | tuple | set | frozenset):
            yield from ((part, names) for part in thing)
        elif isinstance(thing, Mapping):
            yield from ((part, names) for part in thing.values())
        elif isinstance(thing, type) and thing.__module__ in self.homes:
            yield from ((part, names) for part in (*vars(thing).values(), *thing.__mro__[1:]))
        elif type(thing).__module__ in self.homes:
            yield type(thing), names
            yield getattr(thing, "__dict__", {}), names

    def _parts_of_function(self, thing: FunctionType) -> Iterator[tuple[Any, frozenset[str]]]:
        if thing.__module__ not in self.homes:
            return
        names = frozenset(_names(thing.__code__))
        for name in names:
            if name in thing.__globals__:
                yield thing.__globals__[name], names
            elif name.partition(".")[0] in _KNOWN:
                yield from self._imported(name, names)
        for cell in thing.__closure__ or ():
            yield cell.cell_contents, names
        yield thing.__defaults__, names
        yield thing.__kwdefaults__, names

    def _imported(
        self, name: str, names: frozenset[str]
    ) -> Iterator[tuple[ModuleType, frozenset[str]]]:
        """A module that a function imports while it runs."""
        try:
            yield import_module(name), names
        except ImportError:
            # It fails on every answer then; what it would have asked is not known.
            self._touches = True


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _asks(thing: Any) -> bool:
    """Whether something of a library asks a model, by what it takes and where it comes from."""
    if _root(thing) in CLIENTS:
        return True
    if isinstance(thing, FunctionType):
        return _takes_model(thing)
    cls = _class(thing)
    if _is_metric(thing) and any("LLM" in base.__name__ for base in cls.__mro__):
        return True
    if not isinstance(thing, type) and any(_told(thing, word) for word in _TAKES):
        return True
    makers = [vars(base)[word] for base in cls.__mro__ for word in ("__init__", "__new__")
              if word in vars(base) and base is not object]  # fmt: skip
    return any(_takes_model(maker) for maker in (cls, *makers))


def _takes_model(function: Any) -> bool:
    try:
        takes = signature(getattr(function, "__func__", function)).parameters
    except (TypeError, ValueError):
        return False
    return any(word in _TAKES or word.endswith(("_model", "_llm")) for word in takes)


def _is_metric(thing: Any) -> bool:
    return not isinstance(thing, ModuleType | FunctionType) and any(
        callable(getattr(_class(thing), word, None)) for word in _SCORES
    )


def _model_name(thing: Any, depth: int = 0) -> str | None:
    """The name of the model that a metric asks, where it is made already."""
    if isinstance(thing, str):
        return thing or None
    if isinstance(thing, type | ModuleType | FunctionType) or depth == _DEPTH_MAX:
        return None
    parts = (_told(thing, word) for word in _NAMED_BY)
    named = (_model_name(part, depth + 1) for part in parts if part is not None)
    return next((name for name in named if name), None)


def _wording(thing: Any) -> str:
    """What a metric that is made already tells its model, as far as it says so itself."""
    said = {word: _told(thing, word) for word in _WORDING} if not _is_made_later(thing) else {}
    told = {word: value for word, value in said.items() if value is not None}
    return _title(thing) + orjson.dumps(told, default=_title, option=orjson.OPT_SORT_KEYS).decode()


def _is_made_later(thing: Any) -> bool:
    return isinstance(thing, type | ModuleType | FunctionType)


def _told(thing: Any, word: str) -> Any:
    """What an object holds under a name; nothing where it has none, or cannot say."""
    try:
        return getattr(thing, word, None)
    except Exception:  # noqa: BLE001 # a property is the library's own code
        return None


def _version(root: str) -> str:
    try:
        return metadata.version(root)
    except metadata.PackageNotFoundError:
        return ""


def _title(thing: Any) -> str:
    return str(getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None) or
               type(thing).__qualname__)  # fmt: skip


def _class(thing: Any) -> type:
    return thing if isinstance(thing, type) else type(thing)


def _plain(function: Any) -> Any:
    return _plain(function.func) if isinstance(function, partial) else function


def _root(thing: Any) -> str:
    """The package that something comes from."""
    if isinstance(thing, ModuleType):
        return thing.__name__.partition(".")[0]
    owner = thing if isinstance(thing, type | FunctionType) else type(thing)
    return str(owner.__module__ or "").partition(".")[0]
