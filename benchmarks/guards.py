"""Claim: the guards of a call take 1 ms at most (median) on a message of 4 kB, and what holding
back adds to a stream is known.

    .venv/bin/python benchmarks/guards.py [--json] [--prompts FILE.json]

The pack is `mask_pii`, `no_secrets`, `no_injection`, `length`, `language` and `banned_phrases`, on
the input, as a manifest declares them; once on plain English, once on one with personal data in
every third line. The stream is the same text in pieces of four characters through `mask_pii` and
`banned_phrases`. `--prompts` names a JSON list of texts that are all injections or jailbreaks, of
which the share that is seen is measured; the texts are not part of the project.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path

from report import Report, median

from lineside.guardrails import GuardChain, build_guard
from lineside.usecases import guards as declarations

_LINE = "The parcel was due on Monday and I would like to know where it is and when it arrives. "
_PERSON = "Write to ann.lee@example.com or +49 151 23456789, IBAN DE89 3704 0044 0532 0130 00. "
_CHARACTERS, _ROUNDS = 4_096, 400
PACK: tuple[object, ...] = (
    "mask_pii",
    {"no_secrets": {"action": "transform"}},
    "no_injection",
    {"length": {"characters_max": 20_000}},
    {"language": ["en"]},
    {"banned_phrases": ["guaranteed returns", "medical advice", "buy now"]},
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--prompts", type=Path)
    given = parser.parse_args()
    report = Report("Guards on a message of 4 kB")
    asyncio.run(_measure(report))
    if given.prompts:
        asyncio.run(_signals(report, json.loads(given.prompts.read_text())))
    report.close(as_json=given.json)


async def _measure(report: Report) -> None:
    plain = (_LINE * 60)[:_CHARACTERS]
    personal = ((_LINE * 2 + _PERSON) * 20)[:_CHARACTERS]
    chain = _chain(PACK, "input")
    for name, text, goal in (("plain", plain, "<= 1"), ("personal", personal, None)):
        spent = [await _once(chain, text) for _ in range(_ROUNDS)][_ROUNDS // 10 :]
        report.add(f"pack_{name}_ms_p50", median(spent), "ms", goal=goal)
        report.add(f"pack_{name}_ms_p95", sorted(spent)[int(len(spent) * 0.95)], "ms")
    for declared in PACK:
        one = _chain((declared,), "input")
        spent = [await _once(one, plain) for _ in range(_ROUNDS)]
        report.add(f"{one.guards[0].name}_ms_p50", median(spent), "ms")
    call = _chain(("mask_pii", PACK[-1]), "output").begin()
    stream = call.stream("output")
    for place in range(0, len(plain), 4):
        await stream.feed(plain[place : place + 4])
    await stream.finish()
    cost = stream.cost
    report.add("stream_held_characters_max", cost.held_characters_max, "")
    report.add("stream_ms_per_piece", cost.judging_ms / cost.pieces, "ms")


async def _signals(report: Report, texts: list[str]) -> None:
    chain = _chain(("no_injection",), "input")
    seen = 0
    for text in texts:
        call = chain.begin()
        await call.texts("input", [text])
        seen += call.decisions[0].verdict == "warn"
    report.add("injections_seen", seen / len(texts), "", note=f"{seen} of {len(texts)}")


def _chain(declared: tuple[object, ...], point: str) -> GuardChain:
    read = [declarations.GuardDeclaration.read(one) for one in declared]
    return GuardChain([build_guard(one, point, files={}, output_schema={}) for one in read])


async def _once(chain: GuardChain, text: str) -> float:
    started = time.perf_counter()
    await chain.begin().texts("input", [text])
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
