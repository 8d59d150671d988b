"""What an app reads of its sources passes the guards before the model, and counts for budgets."""

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from api.models.fakes import running
from lineside.apps import Call, Serving, deploy, release_folder
from lineside.apps import enforcement as enforcing
from lineside.apps.guarded import GuardedAnswer
from lineside.gateway import budgets
from lineside.traces import get_trace, search
from lineside.trust import Scope
from lineside.usecases import read_folder

MANIFEST = """\
name: house-rules
problem: {statement: Staff ask what is written, who: 180 people, today: 8 min a question}
value: {measure: questions, direction: down}
risk: minimal
owner: office
interface: form
app:
  kind: answer
  input: {question: text}
  output: {answer: text}
  sources: [sources]
  model: openai:house
  prompt: prompt.md
  options: {base_url: "URL", max_tokens: 50}
  retrieval: {support_min: 0}
guards:
  pre_model_call: [GUARD]
tests:
  dataset: cases.jsonl
  scorers: [{says_it: {contains: answer}}]
  gate: [latency_ms <= 60000]
"""
RULES = "# Keys\n\nLost keys: write to anna@example.com, who has the spare keys.\n" + "\n".join(
    f"\n## Room {number}\n\nThe key of room {number} hangs on hook {number}. {'It is blue. ' * 60}"
    for number in range(8)
)


class Provider:
    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        said = {"answer": "Write to her.", "citations": [self.cited()]}
        message = {"role": "assistant", "content": json.dumps(said)}
        answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "house"}
        answer["choices"] = [{"index": 0, "message": message, "finish_reason": "stop"}]
        words = len(orjson.dumps(self.asked[-1])) // 4
        answer["usage"] = {
            "prompt_tokens": words,
            "completion_tokens": 9,
            "total_tokens": words,
        }
        return web.json_response(answer)

    def cited(self) -> dict[str, str]:
        found = re.search(r"write to (\S+),", json.dumps(self.asked[-1]))
        mark = found[1] if found else ""
        return {"document": "sources/keys.md#1", "quote": f"write to {mark}"}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Provider, str]]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-fake")
    held, app = Provider(), web.Application()
    app.router.add_post("/{path:.*}", held.handle)
    with running(app) as url:
        yield held, f"{url}/v1"


async def serving_with(scope: Scope, folder: Path, url: str, guard: str) -> Serving:
    (folder / "sources").mkdir(parents=True)
    (folder / "sources" / "keys.md").write_text(RULES)
    (folder / "prompt.md").write_text("Answer from the passages.")
    (folder / "usecase.yaml").write_text(MANIFEST.replace("URL", url).replace("GUARD", guard))
    asked = [
        f"Who has the spare keys of {thing}?" for thing in ["room", "hook", "door", "gate", "lift"]
    ]
    cases = [{"input": {"question": one}, "expected": {"answer": "her"}} for one in asked]
    (folder / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)))
    if guard.startswith("mask"):
        await asyncio.to_thread(release_folder, scope, read_folder(folder))
        await asyncio.to_thread(deploy, scope, "house-rules")
    return Serving(scope.store)


async def test_what_is_masked_before_the_model_is_masked_in_its_sources(
    scope: Scope, tmp_path: Path, provider: tuple[Provider, str]
) -> None:
    held, url = provider
    serving = await serving_with(scope, tmp_path / "rules", url, "mask_pii")
    held.asked.clear()
    call = Call(input={"question": "Who has the spare keys? I am bob@example.com"})
    answer = await serving.call(scope, "house-rules", call)
    await serving.close()

    sent = json.dumps(held.asked)
    assert "It is blue." in sent
    assert "example.com" not in sent
    assert answer.output["citations"][0]["quote"] == "write to anna@example.com"
    assert "anna@example.com" in json.dumps(answer.output["documents"])
    spans = await asyncio.to_thread(get_trace, scope, answer.trace_id)
    assert "example.com" not in orjson.dumps([span.model_dump() for span in spans]).decode()


async def test_passages_are_reserved_before_the_model_is_asked(
    scope: Scope, tmp_path: Path, provider: tuple[Provider, str]
) -> None:
    held, url = provider
    serving = await serving_with(scope, tmp_path / "rules", url, "mask_pii")
    held.asked.clear()
    taken = 10_000  # tokens; what is asked without the passages takes fewer
    budgets.set_cap(scope, "use_case", "house-rules", measure="tokens", amount=taken, every="day")
    call = Call(input={"question": "Who has the spare keys?"})

    with pytest.raises(budgets.BudgetExceeded):
        await serving.call(scope, "house-rules", call)
    await serving.close()
    assert held.asked == []


async def test_probes_find_out_passages_that_no_guard_sees(
    scope: Scope,
    tmp_path: Path,
    provider: tuple[Provider, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held, url = provider
    serving = await serving_with(scope, tmp_path / "rules", url, "mask_pii")
    held.asked.clear()
    before = search.list_traces(scope).traces
    enforcement = enforcing.Enforcement(scope, serving)
    proven = await enforcement.probe("house-rules")
    assert search.list_traces(scope).traces == before

    async def unseen(_answer: GuardedAnswer, texts: Sequence[str]) -> list[str]:
        return list(texts)

    monkeypatch.setattr(GuardedAnswer, "passages", unseen)
    lost = await enforcement.probe("house-rules")
    await serving.close()

    assert (proven.status, len(proven.results)) == ("enforced", 5)
    assert [one.place for one in lost.results if not one.is_held_back] == [
        "a passage of the sources"
    ]
    assert held.asked == []


async def test_a_secret_in_a_source_does_not_reach_the_model(
    scope: Scope, tmp_path: Path, provider: tuple[Provider, str]
) -> None:
    held, url = provider
    serving = await serving_with(scope, tmp_path / "rules", url, "no_secrets")
    await serving.close()
    folder = tmp_path / "rules"
    (folder / "sources" / "keys.md").write_text(f"{RULES}\nThe safe: password=hunter2xyz!\n")
    case = {"input": {"question": "What is the password of the safe?"}, "expected": {}}
    (folder / "cases.jsonl").write_text(json.dumps(case) + "\n")

    result = await asyncio.to_thread(release_folder, scope, read_folder(folder))

    assert result.release.status == "refused"
    assert "hunter2xyz" not in json.dumps(held.asked)
