"""Claim: with key, budget, trace and guards on, a call through the gateway takes 1.5 ms more than
the call itself, and one process answers ten times the requests of LiteLLM's proxy.

    .venv/bin/python benchmarks/gateway.py [--json] [--peers] [--requests 2000] [--streams 1000]

A stand-in for a provider answers at once from fixed bytes. It is asked directly, and through
`lineside up`: as a plain model with a key, a budget of the key, `mask_pii` on what is asked and
`banned_phrases` on what is answered; and as a use case with the same key, `mask_pii` and
`matches_schema`. The first byte of a stream is measured with those guards, and with the one of what
is asked alone: `banned_phrases` holds back words. Every call is traced, durable before its answer
ends. Requests come from a process of their own over kept connections. `--peers` puts LiteLLM's
proxy, with its one master key, and Portkey's gateway, each with one worker, in front of the same
stand-in: first without budget, trace and guards, and LiteLLM then with what it has of the same, its
own guards of personal data and of banned phrases and its traces by OpenTelemetry (sent to the
stand-in). Its keys with a budget would need a PostgreSQL beside it and stay off.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from load import Load, send
from machine import LINESIDE, Server, free_port, line_environment, run, serving
from peers import BESIDE, environment_with, node_package, version_of
from report import Report, options, progress

_CLIENTS = 32
_KEY = "sk-benchmark-of-the-gateway-0123456789abcdef"  # opens nothing but the peer started here
_WARM_REQUESTS = 200
_SETTLE_SECONDS = 12  # the flusher starts with the first traces, and imports what it needs
_GUARDS_OF_INPUT = "input: [mask_pii]\n"
_GUARDS = f"{_GUARDS_OF_INPUT}output:\n  - banned_phrases: [guaranteed returns]\n"
_GUARDS_SEEN_SECONDS = 1.5  # a server looks once a second whether they changed
_LITELLM_ALIKE: dict[str, Any] = {
    "litellm_settings": {"callbacks": ["otel"]},
    "guardrails": [
        {
            "guardrail_name": "personal-data",
            "litellm_params": {
                "guardrail": "litellm_content_filter",
                "mode": "pre_call",
                "default_on": True,
                "patterns": [
                    {"pattern_type": "prebuilt", "pattern_name": kind, "action": "MASK"}
                    for kind in (
                        "email",
                        "us_phone",
                        "iban",
                        "credit_card",
                        "us_ssn",
                        "github_token",
                    )
                ],
            },
        },
        {
            "guardrail_name": "banned-phrases",
            "litellm_params": {
                "guardrail": "litellm_content_filter",
                "mode": "post_call",
                "default_on": True,
                "blocked_words": [{"keyword": "guaranteed returns", "action": "BLOCK"}],
            },
        },
    ],
}
_MANIFEST = """\
name: desk
problem: {{statement: Every message is read before it is routed., who: A help desk}}
value: {{measure: minutes_to_first_reply, direction: down}}
risk: limited
owner: help-desk
interface: inline
app:
  kind: predict
  input: {{message: string}}
  output: {{topic: {{enum: [card, refund]}}, confidence: number}}
  model: openai:small
  options: {{base_url: "{upstream}", max_tokens: 50}}
guards:
  input: [mask_pii]
  output: [matches_schema]
tests:
  dataset: cases.jsonl
  gate: [accuracy >= 0.01]
"""


def main() -> None:
    given = options(
        __doc__,
        lambda parser: parser.add_argument("--requests", type=int, default=2_000),
        lambda parser: parser.add_argument("--streams", type=int, default=1_000),
    )
    report = Report("What the gateway adds to a call")
    with upstream() as provider, TemporaryDirectory() as name:
        direct = _latency(provider, "/v1/chat/completions", "small", given)
        report.add("direct_ms_p50", direct.latency_ms_p50, "ms", note="the stand-in alone")
        with ours(Path(name), provider) as (server, secret):
            headers = {"authorization": f"Bearer {secret}"}
            _measure(report, server, headers, direct, given)
            guards = Path(name) / "home" / "guards.yaml"
            _measure_first_byte(report, provider, server, guards, headers, given)
        if given.peers:
            _litellm(report, provider, direct, given)
            _portkey(report, provider, direct, given)
    report.close(as_json=given.json)


@contextmanager
def upstream() -> Iterator[int]:
    """The stand-in for a provider."""
    port = free_port()
    command = [sys.executable, str(BESIDE / "upstream.py"), str(port)]
    with serving(command, port=port) as server:
        server.wait_for_page("/")
        yield port


@contextmanager
def ours(folder: Path, upstream: int) -> Iterator[tuple[Server, str]]:
    """The line with a live use case, and a key with a budget."""
    home, port, address = folder / "home", free_port(), f"http://127.0.0.1:{upstream}/v1"
    environment = line_environment(home, port)
    desk = folder / "desk"
    desk.mkdir()
    (desk / "usecase.yaml").write_text(_MANIFEST.format(upstream=address))
    cases = [
        {"id": str(at), "input": {"message": f"message {at}"}, "expected": {"topic": "card"}}
        for at in range(40)
    ]
    (desk / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))

    def lineside(*words: str) -> str:
        return run([LINESIDE, *words], environment=environment, folder=folder).output

    lineside("test", "desk")
    lineside("release", "desk")
    lineside("deploy", "desk")
    made = json.loads(lineside("keys", "create", "bench", "--right", "run", "--json"))
    lineside("budgets", "set", "--key", "bench", "--requests", "100000000", "--every", "month")
    providers = {"mock": {"wire": "chat", "base_url": address}}
    (home / "gateway.yaml").write_text(json.dumps({"providers": providers}))
    (home / "guards.yaml").write_text(_GUARDS)
    with serving([LINESIDE, "up"], port=port, environment=environment, folder=folder) as server:
        server.wait_for_page("/healthz")
        yield server, made["secret"]


def _measure(
    report: Report,
    server: Server,
    headers: Mapping[str, str],
    direct: Load,
    given: argparse.Namespace,
) -> None:
    path = "/v1/chat/completions"
    _latency(server.port, path, "mock/small", given, headers)
    time.sleep(_SETTLE_SECONDS)
    for name, model in (("plain", "mock/small"), ("use_case", "desk")):
        one = _latency(server.port, path, model, given, headers)
        added = one.latency_ms_p50 - direct.latency_ms_p50
        report.add(f"{name}_added_ms_p50", added, "ms", goal="<= 1.5", note="one client")
        report.add(f"{name}_added_ms_p99", one.latency_ms_p99 - direct.latency_ms_p99, "ms")
    for name, is_streamed in (("whole", False), ("streamed", True)):
        cpu = server.cpu_seconds()
        many = _throughput(server.port, path, "mock/small", given, headers, is_streamed)
        report.add(f"{name}_per_second", many.per_second, "/s", note=f"{_CLIENTS} clients")
        report.add(f"{name}_ms_p99", many.latency_ms_p99, "ms")
        cpu_ms = (server.cpu_seconds() - cpu) * 1000 / many.answered
        report.add(f"{name}_cpu_ms", cpu_ms, "ms", note="of the server and its flusher, a call")
    report.add("server_memory_mb", server.own_memory_mb(), "MiB", goal="<= 150")
    report.add("memory_mb", server.memory_mb(), "MiB", note="server and flusher")


def _measure_first_byte(
    report: Report,
    provider: int,
    server: Server,
    guards: Path,
    headers: Mapping[str, str],
    given: argparse.Namespace,
) -> None:
    path = "/v1/chat/completions"
    direct = _latency(provider, path, "small", given, is_streamed=True).first_ms_p50
    for kind, named, goal in (("held", _GUARDS, None), ("plain", _GUARDS_OF_INPUT, "<= 2")):
        guards.write_text(named)
        time.sleep(_GUARDS_SEEN_SECONDS)
        one = _latency(server.port, path, "mock/small", given, headers, is_streamed=True)
        note = "one client, " + ("no guard" if kind == "plain" else "a guard") + " holds back words"
        report.add(
            f"{kind}_first_byte_added_ms_p50", one.first_ms_p50 - direct, "ms", goal=goal, note=note
        )


def _latency(
    port: int,
    path: str,
    model: str,
    given: argparse.Namespace,
    headers: Mapping[str, str] | None = None,
    *,
    is_streamed: bool = False,
) -> Load:
    bodies = [body_of(model, is_streamed=is_streamed)]
    send(port, path, bodies, requests=_WARM_REQUESTS, clients=1, headers=headers)
    return send(port, path, bodies, requests=given.requests // 4, clients=1, headers=headers)


def _throughput(
    port: int,
    path: str,
    model: str,
    given: argparse.Namespace,
    headers: Mapping[str, str] | None,
    is_streamed: bool,
) -> Load:
    bodies = [body_of(model, is_streamed=is_streamed)]
    send(port, path, bodies, requests=_WARM_REQUESTS, clients=_CLIENTS, headers=headers)
    requests = given.streams if is_streamed else given.requests
    return send(port, path, bodies, requests=requests, clients=_CLIENTS, headers=headers)


def body_of(model: str, *, is_streamed: bool) -> dict[str, Any]:
    words = "Where is the parcel I was promised for Monday? Write to ann.lee@example.com. " * 3
    turns = [{"role": "user", "content": words}]
    return {"model": model, "messages": turns, "max_tokens": 50, "stream": is_streamed}


def _litellm(report: Report, upstream: int, direct: Load, given: argparse.Namespace) -> None:
    with environment_with("litellm[proxy]", "opentelemetry-exporter-otlp") as programs:
        if programs is None:
            return
        for name, more in (("litellm", {}), ("litellm_alike", _LITELLM_ALIKE)):
            with _litellm_proxy(programs, upstream, more) as server:
                headers = {"authorization": f"Bearer {_KEY}"}
                note = f"litellm {version_of(programs, 'litellm')}"
                _beside(report, name, server, headers, direct, given, note=note)


@contextmanager
def _litellm_proxy(programs: Path, upstream: int, more: Mapping[str, Any]) -> Iterator[Server]:
    with TemporaryDirectory() as name:
        port, config = free_port(), Path(name) / "config.json"
        there = {"model": "openai/small", "api_base": f"http://127.0.0.1:{upstream}/v1"}
        model = {"model_name": "small", "litellm_params": {**there, "api_key": "sk-none"}}
        config.write_text(json.dumps({"model_list": [model], **more}))
        command = [str(programs / "litellm"), "--config", str(config), "--port", str(port)]
        command += ["--host", "127.0.0.1", "--num_workers", "1", "--telemetry", "False"]
        settings = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        settings |= {"LITELLM_MASTER_KEY": _KEY, "LITELLM_SALT_KEY": _KEY}
        settings |= {"OTEL_EXPORTER": "otlp_http"}
        settings |= {"OTEL_ENDPOINT": f"http://127.0.0.1:{upstream}/v1/traces"}
        with serving(command, port=port, environment=settings, folder=Path(name)) as server:
            server.wait_for_page("/health/liveliness", seconds_max=240)
            yield server


def _portkey(report: Report, upstream: int, direct: Load, given: argparse.Namespace) -> None:
    with node_package("@portkey-ai/gateway") as found, TemporaryDirectory() as name:
        if found is None:
            return
        node, package, version = found
        port = free_port()
        command = [node, str(package / "build" / "start-server.js"), "--headless", f"--port={port}"]
        headers = {
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1",
            "authorization": "Bearer sk-none",
        }
        with serving(command, port=port, folder=Path(name)) as server:
            server.wait_for_page("/")
            note = f"@portkey-ai/gateway {version}"
            _beside(report, "portkey", server, headers, direct, given, note=note)


def _beside(
    report: Report,
    name: str,
    server: Server,
    headers: Mapping[str, str],
    direct: Load,
    given: argparse.Namespace,
    *,
    note: str,
) -> None:
    path = "/v1/chat/completions"
    one = _latency(server.port, path, "small", given, headers)
    figures = {"plain_added_ms_p50": one.latency_ms_p50 - direct.latency_ms_p50}
    for kind, is_streamed in (("whole", False), ("streamed", True)):
        cpu = server.cpu_seconds()
        try:
            many = _throughput(server.port, path, "small", given, headers, is_streamed)
        except SystemExit as failed:
            progress(f"  {name}, {kind}: not measured: {failed}")
            continue
        figures[f"{kind}_per_second"] = many.per_second
        figures[f"{kind}_cpu_ms"] = (server.cpu_seconds() - cpu) * 1000 / many.answered
        ours = report.figures[f"{kind}_per_second"].value
        goal = ">= 10" if name.startswith("litellm") else None
        report.add(f"{kind}_times_{name}", ours / many.per_second, "x", goal=goal)
    figures["memory_mb"] = server.memory_mb()
    report.add_peer(name, figures, note=note)


if __name__ == "__main__":
    main()
