"""How records become pages: the templates, and how numbers and moments read in them."""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from lineside.core import clock
from lineside.evals import reviews
from lineside.stats import Finding, axes, wording
from lineside.trust import LedgerEntry
from lineside.web.asked import repeated_in, unknown_in
from lineside.web.found import found_passages, gist
from lineside.web.media import blob_of, medium_of
from lineside.web.passages import passage_lines

KEPT_COOKIE = "lineside_rater"
"""Holds the key of a rater whose browser opens nothing but reviews."""

STATIC = Path(__file__).parent / "static"

_STATIONS = (
    (
        "Evaluate",
        "/runs",
        ("/runs", "/compare", "/leaderboard", "/history", "/datasets", "/judges", "/reviews"),
    ),
    ("Ship", "/releases", ("/releases", "/guards", "/batches")),
    (
        "Watch",
        "/traces",
        (
            *("/traces", "/sessions", "/users", "/unclaimed", "/quality", "/marks"),
            *("/prices", "/budgets"),
        ),
    ),
    ("Govern", "/ledger", ("/ledger", "/webhooks")),
)
_DECISIONS = ("Ship: ", "Hold: ", "Not enough data: ")
_SHORT_CHARACTERS_MAX = 240
_TRACE_ID = re.compile("[0-9a-f]{32}")


def page(
    request: Request,
    template: str,
    *,
    status_code: int = 200,
    takes: Sequence[str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Render a page; the navigation marks the station that its address belongs to.

    Args:
        takes: What the address of a page with a filter may ask; the page says what else it asks.
    """
    path = request.url.path
    stations = [
        (word, target, any(path == root or path.startswith(f"{root}/") for root in roots))
        for word, target, roots in _STATIONS
    ]
    values |= {"path": path, "stations": stations, "is_kept": is_kept(request)}
    values["not_known"] = () if takes is None else unknown_in(request, takes)
    values["repeated"] = () if takes is None else repeated_in(request, takes)
    text = _environment().get_template(template).render(**values)
    return HTMLResponse(text, status_code)


def is_kept(request: Request) -> bool:
    """Whether the browser opens nothing but reviews."""
    return KEPT_COOKIE in request.cookies


def said(text: str) -> Markup:
    """A sentence as people wrote it for people, its `names` set as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return Markup(escape(text))  # noqa: S704 # escaped
    pieces = [
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part)
        for at, part in enumerate(parts)
    ]
    return Markup("").join(pieces)


def breakable(text: str) -> Markup:
    """A long name such as `card_payment_fee_charged` may break where its words end."""
    return Markup("_<wbr>").join(escape(part) for part in text.split("_"))


def without_decision(sentence: str) -> str:
    """A verdict's sentence where the word of the verdict stands beside it already."""
    for start in _DECISIONS:
        if sentence.startswith(start):
            rest = sentence.removeprefix(start)
            return rest[:1].upper() + rest[1:]
    return sentence


def money(cost_usd: float | None) -> str:
    """An amount in dollars; what is not known is never shown as free."""
    if cost_usd is None:
        return "unknown"
    if 0 < cost_usd < 0.000001:
        return "< $0.000001"
    digits = 2 if cost_usd == 0 or abs(cost_usd) >= 1 else 6 if abs(cost_usd) < 0.01 else 4
    return f"${cost_usd:,.{digits}f}"


def milliseconds(value: float | None) -> str:
    if value is None:
        return "unknown"
    if value >= 10_000:
        return f"{value / 1000:.1f} s"
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.1f} ms"


def confidence(value: float) -> str:
    """Two digits, cut and not rounded: what is not quite sure never reads as sure."""
    return f"{int(value * 100) / 100:.2f}"


def moment(at: datetime) -> Markup:
    """How long ago, with the exact moment for whoever needs it."""
    exact = at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(), exact, clock.ago(at)
    )


def short(value: Any) -> str:
    """A payload in one line: a lone field by its value alone, several with their names."""
    if isinstance(value, dict):
        texts = [_one_line(item) for item in value.values()]
        if len(value) != 1:
            texts = [f"{name}: {text}" for name, text in zip(value, texts, strict=True)]
        line = " · ".join(texts)
    else:
        line = _one_line(value)
    if len(line) > _SHORT_CHARACTERS_MAX:
        return line[: _SHORT_CHARACTERS_MAX - 1] + "…"
    return line


def without_confidence(output: Any) -> Any:
    """An answer without the model's own word on how sure it is; that has a column of its own."""
    if isinstance(output, dict) and len(output) > 1:
        return {name: value for name, value in output.items() if name != "confidence"}
    return output


def only_fields(output: Any, expected: Any) -> Any:
    """Of an answer, the fields that something was expected of; all where it has none of them."""
    if isinstance(output, dict) and isinstance(expected, dict) and output.keys() & expected:
        return {name: value for name, value in output.items() if name in expected}
    return output


def pretty(value: Any) -> str:
    """A payload as JSON that a person can read."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()


def about(entry: LedgerEntry) -> str:
    """What a decision was about, in the words a person knows it by."""
    details = entry.details
    words = [str(details[name]) for name in ("use_case", "release", "name") if details.get(name)]
    traffic = details.get("traffic")
    if isinstance(traffic, dict):
        words.append(", ".join(f"{label} {share}" for label, share in traffic.items()))
    if details.get("why"):
        words.append(f"“{without_decision(str(details['why']))}”")
    return " · ".join(words) or entry.subject


def between(finding: Finding) -> str:
    """The interval of a finding in words."""
    if finding.low is None or finding.high is None:
        return "too few cases for an interval"
    span = axes.show_span(finding.low, finding.high, finding.unit)
    return f"{wording.show_level(finding.confidence)} interval {span}"


def digest(text: str) -> str:
    """The start of a content address: enough to tell two apart by eye."""
    return text.removeprefix("sha256:")[:12]


def candidate(subject: str) -> str:
    """What a run judged: a digest by its start, the name of a function whole."""
    return digest(subject) if subject.startswith("sha256:") else subject


def size(count: int) -> str:
    for unit, unit_bytes in (("MB", 1_000_000), ("kB", 1_000)):
        if count >= unit_bytes:
            return f"{count / unit_bytes:,.1f} {unit}"
    return f"{count} bytes"


@cache
def static(name: str) -> str:
    """Address of a file of ours, with its digest so that a browser may keep it for good."""
    content = (STATIC / name).read_bytes()
    return f"/static/{name}?{hashlib.sha256(content).hexdigest()[:12]}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lineside.web"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"static": static, "refresh_seconds": None}
    environment.filters |= {
        "about": about,
        "as_text": reviews.text_of,
        "between": between,
        "blob": blob_of,
        "breakable": breakable,
        "candidate": candidate,
        "confidence": confidence,
        "count": lambda value: f"{value:,}",
        "day": clock.day,
        "digest": digest,
        "found": found_passages,
        "gist": gist,
        "is_trace_id": lambda text: _TRACE_ID.fullmatch(text) is not None,
        "medium": medium_of,
        "moment": moment,
        "money": money,
        "ms": milliseconds,
        "only_fields": only_fields,
        "passage_lines": passage_lines,
        "percent": lambda share: axes.show(share, "%"),
        "pretty": pretty,
        "rate": lambda dollars: "–" if dollars is None else f"{dollars:g}",
        "said": said,
        "shown": axes.show,
        "short": short,
        "size": size,
        "spanning": axes.show_span,
        "string_or_json": lambda value: value if isinstance(value, str) else pretty(value),
        "without": lambda value, name: {key: value[key] for key in value if key != name},
        "without_confidence": without_confidence,
        "without_decision": without_decision,
    }
    return environment


def _one_line(value: Any) -> str:
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, float):
        return f"{value:g}"
    return orjson.dumps(value, default=str).decode()
