"""`/api/docs`: the API on one page that needs no script and no outside host."""

from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem; text-transform: capitalize }
article { border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; margin: .8rem 0 }
h3 { margin: 0; font-size: 1rem } code, pre { font-family: ui-monospace, monospace }
b { display: inline-block; min-width: 4.5rem } pre { background: var(--soft); padding: .8rem;
border-radius: 6px; overflow-x: auto } p { margin: .4rem 0 } table { border-spacing: 0 }
td { padding: .1rem 1rem .1rem 0; vertical-align: top }
"""


async def docs(request: Request) -> HTMLResponse:
    """Every operation with its parameters, its body and a call to copy."""
    document: dict[str, Any] = request.app.openapi()
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["other"])[0]
            groups.setdefault(tag, []).append(
                _operation(f"/api{path}", method, operation, document)
            )
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(parts)}" for tag, parts in groups.items())
    return HTMLResponse(
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>lineside API</title><style>{_STYLE}</style><h1>lineside API</h1>"
        "<p>The same as a document for machines: <a href='/api/openapi.json'>openapi.json</a>. "
        "On this machine no key is needed; a program elsewhere sends "
        f"<code>Authorization: Bearer lsk_…</code>. <a href='/'>Back to lineside</a></p>{body}"
    )


def _operation(path: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(parameter['name'])}</code><td>in {parameter['in']}"
        f"<td>{'required' if parameter.get('required') else 'optional'}"
        for parameter in operation.get("parameters", [])
        if parameter["in"] != "header"
    )
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    example = _example(content.get("schema", {}), document) if content else None
    return (
        f"<article><h3><b>{method.upper()}</b> <code>{escape(path)}</code></h3>"
        f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>"
        f"<table>{rows}</table><pre>{escape(_curl(path, method, example))}</pre></article>"
    )


def _curl(path: str, method: str, example: str | None) -> str:
    start = "curl" if method == "get" else f"curl -X {method.upper()}"
    data = f" \\\n  -H 'content-type: application/json' -d '{example}'" if example else ""
    return f"{start} http://127.0.0.1:7710{path}{data}"


def _example(schema: dict[str, Any], document: dict[str, Any]) -> str:
    name = schema.get("$ref", "").rpartition("/")[2]
    found = document["components"]["schemas"].get(name, schema)
    fields = (f'"{key}": …' for key in found.get("properties", {}))
    return "{" + ", ".join(fields) + "}"
