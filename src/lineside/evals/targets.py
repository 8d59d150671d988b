"""What a run can ask beside a release: a Python function, an HTTP endpoint, answers on file."""

import asyncio
import importlib
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import orjson

from lineside.core import SYSTEM, Invalid, NotFound, Unavailable, did_you_mean, now
from lineside.evals.dataset import Case
from lineside.evals.datasets.files import refuse_large
from lineside.evals.plan import RunTarget
from lineside.evals.run import Run
from lineside.evals.target import CaseTarget, RecordedReply, Target
from lineside.gateway import ModelReply, hear_rate_limit, read_retry_after, shorten
from lineside.store import Store, digest_of
from lineside.traces import get_trace
from lineside.trust import Scope

ANSWER_BYTES_MAX = 4 * 1024 * 1024
OUTPUTS_BYTES_MAX = 1024 * 1024 * 1024
_HTTP_SECONDS = 120
_NAMED_MAX = 5
_COUNTED = {"model", "confidence", "tokens_in", "tokens_out", "cost_usd"}


def read_target(
    store: Store,
    text: str,
    *,
    folder: Path,
    version: str = "",
    dataset: Iterable[Case] | None = None,
    repetitions: int | None = None,
) -> RunTarget:
    """Read what a person names as the target of a run.

    Args:
        text: `python:module:function`, an `http://` or `https://` address, `traces`, or the path of
            a JSONL file of outputs.
        folder: Where the module or file is looked for.
        version: A word that changes whenever answers may; only with it are answers of an endpoint
            kept for later runs.
        dataset: The cases that are to be judged; outputs of others are refused.
        repetitions: Answers of each case that are to be judged; nothing takes all on file.

    Raises:
        Invalid: `bad_target`, or what is wrong with the file.
    """
    kind, _, rest = text.partition(":")
    if kind == "python":
        module, _, name = rest.partition(":")
        if not module or not name:
            raise Invalid(
                "bad_target", f"`{text}` names no function", hint="As `python:shop.answers:reply`."
            )
        options = {"folder": str(folder.resolve()), "version": version}
        target = RunTarget(kind="python", reference=rest, options=options, is_fixed=bool(version))
        _function(target)
        return target
    if kind in {"http", "https"}:
        options = {"version": version}
        return RunTarget(kind="http", reference=text, options=options, is_fixed=bool(version))
    if text == "traces":
        return RunTarget(kind="traces")
    return _keep_outputs(store, folder / text, dataset, repetitions)


def subject_of(target: RunTarget) -> str:
    """The digest that stands for a target where a release's would stand."""
    return digest_of(orjson.dumps(target.model_dump(), option=orjson.OPT_SORT_KEYS))


def open_named_target(store: Store, run: Run) -> "Target | CaseTarget | None":
    """The target that a run's plan names; nothing where that is a release."""
    target = run.plan.target
    match target.kind:
        case "python":
            return _Function(target)
        case "http":
            return _Endpoint(target)
        case "traces":
            return _Traces(store, run)
        case "outputs":
            return _Outputs(store, target)
        case "release":
            return None


class _Function:
    """A function of the person's own; a plain one runs in a thread, so that it may block."""

    def __init__(self, target: RunTarget) -> None:
        self._function = _function(target)
        self._name = target.reference
        self._is_async = inspect.iscoroutinefunction(self._function)

    async def __call__(self, payload: Mapping[str, Any]) -> ModelReply:
        given = dict(payload)
        if self._is_async:
            answer = await self._function(given)
        else:
            answer = await asyncio.to_thread(self._function, given)
        return answer if isinstance(answer, ModelReply) else reply_from(answer, self._name)

    async def close(self) -> None:
        """Nothing to give back."""


class _Endpoint:
    """An address that takes `{"input": …}` by POST and answers with the output as JSON."""

    def __init__(self, target: RunTarget) -> None:
        self._url = target.reference
        self._session: Any = None

    async def __call__(self, payload: Mapping[str, Any]) -> ModelReply:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_HTTP_SECONDS))
        try:
            async with self._session.post(self._url, json={"input": payload}) as response:
                body = await self._read(response.content)
                status, headers = response.status, response.headers
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            said = str(error) or type(error).__name__
            raise Unavailable("endpoint_down", f"`{self._url}` does not answer: {said}") from error
        text = shorten(body.decode(errors="replace"), 200)
        if status == 429:
            hear_rate_limit(read_retry_after(headers.get("Retry-After"), moment=now()))
            raise Unavailable("endpoint_rate_limited", f"`{self._url}` said 429: {text}")
        if status >= 500:
            raise Unavailable("endpoint_failed", f"`{self._url}` said {status}: {text}")
        if status != 200:
            raise Invalid("endpoint_refused", f"`{self._url}` said {status}: {text}")
        try:
            return reply_from(orjson.loads(body), self._url)
        except orjson.JSONDecodeError as error:
            raise Invalid("answer_not_json", f"`{self._url}` sent no JSON: {text}") from error

    async def _read(self, content: Any) -> bytes:
        # A single read would end with the first piece that has arrived.
        body = bytearray()
        async for piece in content.iter_any():
            body += piece
            if len(body) > ANSWER_BYTES_MAX:
                raise Invalid(
                    "answer_too_large",
                    f"`{self._url}` sent more than {ANSWER_BYTES_MAX:,} bytes for one case",
                )
        return bytes(body)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class _Traces:
    """What was answered in the traces that cases name as their source."""

    def __init__(self, store: Store, run: Run) -> None:
        # Whoever started the run could read the use case; the work goes on without them.
        self._scope = Scope(store, run.workspace, SYSTEM, frozenset({"read"}))

    async def answer_case(self, case: Case, _repetition: int) -> ModelReply:
        steps = await asyncio.to_thread(get_trace, self._scope, case.source or "")
        root = next((step for step in steps if step.parent_span_id is None), None)
        if root is None:
            raise NotFound("no_trace", f"There is no trace `{(case.source or '')[:64]}`")
        if root.error is not None or root.output is None:
            raise NotFound("no_output", f"Trace `{case.source}` has no output: {root.error or ''}")
        costs = [step.cost_usd for step in steps if step.cost_usd is not None]
        models = [step.model for step in steps if step.model]
        return RecordedReply(
            output=_as_output(root.output),
            model=models[-1] if models else "unknown",
            tokens_in=_total([step.tokens_in for step in steps if step.kind == "model"]),
            tokens_out=_total([step.tokens_out for step in steps if step.kind == "model"]),
            cost_usd=sum(costs) if costs else None,
            latency_ms=root.duration_ms,
        )

    async def close(self) -> None:
        """Nothing to give back."""


class _Outputs:
    """Answers that another program wrote into a file, by case and repetition."""

    def __init__(self, store: Store, target: RunTarget) -> None:
        self._content = store.blobs.get(target.reference)
        self._places: dict[tuple[str, int], tuple[int, int]] = {}
        unnumbered: Counter[str] = Counter()
        start = 0
        while start < len(self._content):
            end = self._content.find(b"\n", start)
            end = len(self._content) if end < 0 else end
            if self._content[start:end].strip():
                row = orjson.loads(memoryview(self._content)[start:end])
                self._places[row["id"], _repetition(row, unnumbered)] = start, end
            start = end + 1

    async def answer_case(self, case: Case, repetition: int) -> ModelReply:
        place = self._places.get((case.id, repetition))
        if place is None:
            raise NotFound("no_output", f"The file has no output of case `{case.id}`")
        row = orjson.loads(memoryview(self._content)[place[0] : place[1]])
        reply = reply_from(row, "file")
        known = {field.name: getattr(reply, field.name) for field in fields(ModelReply)}
        return RecordedReply(**known, latency_ms=row.get("latency_ms"))

    async def close(self) -> None:
        """Nothing to give back."""


def reply_from(answer: Any, model: str) -> ModelReply:
    """Read an answer: the output itself, or an object that holds it as `output` with its costs."""
    if isinstance(answer, dict) and "output" in answer:
        counted = {name: answer[name] for name in _COUNTED if answer.get(name) is not None}
        return ModelReply(**{"model": model, **counted, "output": _as_output(answer["output"])})
    return ModelReply(output=_as_output(answer), model=model)


def _as_output(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"output": value}


def _total(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _function(target: RunTarget) -> Callable[[dict[str, Any]], Any]:
    module, _, name = target.reference.partition(":")
    folder = target.options.get("folder", "")
    if folder and folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        home = importlib.import_module(module)
    except ImportError as error:
        raise Invalid(
            "bad_target",
            f"`{module}` cannot be imported: {error}",
            hint=f"`python:{module}:{name}` looks for `{module}.py` in this folder, and for "
            "installed packages.",
        ) from error
    found = getattr(home, name, None)
    if not callable(found):
        own = [word for word, thing in vars(home).items() if callable(thing) and word[0] != "_"]
        near = did_you_mean(name, own)
        raise Invalid(
            "bad_target",
            f"`{module}` has no function `{name}`; it has: {', '.join(own[:10]) or 'none'}",
            hint=f"Did you mean `{near}`?" if near else None,
        )
    return found  # type: ignore[no-any-return] # whatever it returns is read by `reply_from`


def _keep_outputs(
    store: Store, path: Path, dataset: Iterable[Case] | None, repetitions: int | None
) -> RunTarget:
    """Check a file of outputs line by line and keep it, so that the run can go on without it."""
    if not path.is_file():
        raise Invalid(
            "bad_target",
            f"`{path.name}` is no file, and no other target either",
            hint="Name `python:module:function`, an http address, `traces` or a JSONL file.",
        )
    refuse_large(
        path.name,
        path.stat().st_size,
        OUTPUTS_BYTES_MAX,
        code="outputs_too_large",
        hint="Run the dataset in parts, with a file of outputs for each.",
    )
    seen: Counter[tuple[str, int]] = Counter()
    unnumbered: Counter[str] = Counter()
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            row = _output(line)
            if row is None:
                raise Invalid(
                    "bad_outputs",
                    f"`{path.name}`, line {number:,}: expected an object with `id` and `output`",
                    hint='Write one answer a line, such as {"id": "case-1", "output": {…}}.',
                )
            seen[row["id"], _repetition(row, unnumbered)] += 1
    known = None if dataset is None else {case.id for case in dataset}
    twice = [case_id for (case_id, _), count in seen.items() if count > 1]
    if repetitions is None or repetitions == 1:
        # Whether a second line is a second answer or a mistake is for a person to say.
        twice += [case_id for case_id, count in unnumbered.items() if count > 1]
    _refuse_outputs(path.name, seen, known, twice=list(dict.fromkeys(twice)))
    answers = _answers_of_each(path.name, seen, repetitions)
    return RunTarget(
        kind="outputs",
        reference=store.blobs.put(path.read_bytes()),
        options={"answers": str(answers)} if answers > 1 else {},
    )


def _repetition(row: Mapping[str, Any], unnumbered: Counter[str]) -> int:
    """The number of an answer among those to its case: its own, or else its place in the file."""
    number = row.get("repetition")
    if number is None:
        number = unnumbered[row["id"]]
        unnumbered[row["id"]] += 1
    return int(number)


def _answers_of_each(name: str, seen: Counter[tuple[str, int]], repetitions: int | None) -> int:
    """How many answers of each case are judged.

    A case with fewer on file than another would weigh less, and one that is judged twice by the
    same answer would look steadier than it is.
    """
    numbers: dict[str, set[int]] = {}
    for case_id, number in seen:
        numbers.setdefault(case_id, set()).add(number)
    gaps = [case_id for case_id, known in numbers.items() if known != set(range(len(known)))]
    if gaps:
        raise Invalid(
            "bad_outputs",
            f"`{name}` leaves numbers out among the answers of {_counted(gaps)}",
            hint="Number the answers of a case with `repetition`: 0, 1, ….",
        )
    most = max(map(len, numbers.values()), default=1)
    wanted = most if repetitions is None else repetitions
    short = [case_id for case_id, known in numbers.items() if len(known) < wanted]
    if short:
        fewest = min(len(numbers[case_id]) for case_id in short)
        raise Invalid(
            "too_few_answers",
            f"`{name}` has {_answers(fewest)} of {_counted(short)}, and {wanted} of each case "
            "are to be judged",
            hint=f"Record {wanted} answers of each case, numbered with `repetition`: 0, 1, …, or "
            f"judge fewer: `--repetitions {fewest}`. The same answer again would say nothing new.",
        )
    return wanted


def _answers(count: int) -> str:
    return "one answer" if count == 1 else f"{count} answers"


def _refuse_outputs(
    name: str, seen: Counter[tuple[str, int]], known: set[str] | None, *, twice: Sequence[str]
) -> None:
    """Refuse what would be left out without a word: second outputs, and those of other cases."""
    if twice:
        raise Invalid(
            "bad_outputs",
            f"`{name}` has more than one output of {_counted(twice)}",
            hint="Keep one line for each case. If these are several answers, say so: "
            "`--repetitions 2`, or number them with `repetition`: 0, 1, ….",
        )
    ids = list(dict.fromkeys(case_id for case_id, _ in seen))
    unknown = [] if known is None else [case_id for case_id in ids if case_id not in known]
    if unknown:
        raise Invalid(
            "unknown_cases",
            f"`{name}` has outputs of {_counted(unknown)} that the dataset does not hold",
            hint="Name the dataset that was asked, or leave these lines out.",
        )


def _counted(case_ids: Sequence[str]) -> str:
    named = ", ".join(f"`{case_id[:40]}`" for case_id in case_ids[:_NAMED_MAX])
    more = f" and {len(case_ids) - _NAMED_MAX:,} more" if len(case_ids) > _NAMED_MAX else ""
    return f"{len(case_ids):,} case{'' if len(case_ids) == 1 else 's'} ({named}{more})"


def _output(line: bytes) -> dict[str, Any] | None:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    is_output = isinstance(row, dict) and isinstance(row.get("id"), str) and "output" in row
    number = row.get("repetition", 0) if is_output else None
    return row if isinstance(number, int) and not isinstance(number, bool) else None
