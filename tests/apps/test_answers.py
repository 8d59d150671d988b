"""Apps that answer from sources: what is found, quoted, kept with the release, and not answered."""

import asyncio
import io
import json
import zipfile
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from lineside.apps import Call, Serving, deploy, get_release, release_folder
from lineside.core import Denied, Invalid
from lineside.gateway import quoting
from lineside.traces import get_trace, latest_calls
from lineside.trust import Scope
from lineside.usecases import check_folder, read_folder

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
  model: embedded:quotes
tests:
  dataset: cases.jsonl
  scorers: [{says_it: {contains: answer}}, {quotes_hold: citation_support}]
  gate: [latency_ms <= 60000]
"""
MARKDOWN = """\
# House rules

## Visitors

Visitors sign in at the **reception** and wear a badge.
A host stays with them.

## Bicycles

- Bicycles stand in the yard, never in the corridor.
- The pump hangs beside the [gate](yard.html).
"""
HTML = """<html><head><title>x</title><style>p {}</style></head><body><nav>Menu</nav>
<h1>Kitchen</h1><p>The dishwasher starts at <b>18:00</b>.</p><script>alert(1)</script>
<h2>Fridge</h2><ul><li>Food without a name is thrown away on Fridays.</li></ul></body></html>"""


def pdf(*pages: str) -> bytes:
    """A whole PDF with a line of text on each page."""
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for at, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * at} 0 R >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    content, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(content))
        content += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    content += (
        f"xref\n0 {size}\n0000000000 65535 f \n{table}"
        f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(content)}\n%%EOF\n"
    ).encode()
    return content


def docx(*paragraphs: tuple[str, str]) -> bytes:
    """A DOCX of paragraphs, each with its style; `page` as the style begins a new page."""
    name = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = ""
    for style, text in paragraphs:
        new_page = '<w:r><w:br w:type="page"/></w:r>' if style == "page" else ""
        body += (
            f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr>{new_page}'
            f"<w:r><w:t>{text[:5]}</w:t></w:r><w:r><w:t>{text[5:]}</w:t></w:r></w:p>"
        )
    styles = '<w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as parts:
        parts.writestr(
            "word/document.xml",
            f'<w:document xmlns:w="{name}"><w:body>{body}</w:body></w:document>',
        )
        parts.writestr("word/styles.xml", f'<w:styles xmlns:w="{name}">{styles}</w:styles>')
    return held.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A use case with a source of every kind, and a picture beside them."""
    sources = tmp_path / "rules" / "sources"
    sources.mkdir(parents=True)
    (sources / "house.md").write_text(MARKDOWN)
    (sources / "kitchen.html").write_text(HTML)
    (sources / "fire.pdf").write_bytes(
        pdf("In case of fire nobody uses the lift.", "The meeting point is behind the car park.")
    )
    (sources / "keys.docx").write_bytes(
        docx(
            ("berschrift1", "Lost keys"),
            ("Normal", "A lost key costs 40 euros."),
            ("page", "Spare keys are with the janitor."),
        )
    )
    (sources / "plan.png").write_bytes(b"\x89PNG")
    (tmp_path / "rules" / "usecase.yaml").write_text(MANIFEST)
    asked = ["What does a lost key cost?", "What is it for a lost key?", "How much is a lost key?"]
    cases = [{"input": {"question": one}, "expected": {"answer": "40 euros"}} for one in asked]
    (tmp_path / "rules" / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)))
    return tmp_path / "rules"


def change(folder: Path, old: str, new: str) -> None:
    text = (folder / "usecase.yaml").read_text()
    assert old in text
    (folder / "usecase.yaml").write_text(text.replace(old, new))


async def ask(scope: Scope, folder: Path, *questions: str) -> list[dict[str, Any]]:
    """What the released and deployed folder answers."""
    await asyncio.to_thread(release_folder, scope, read_folder(folder))
    deploy(scope, "house-rules")
    serving = Serving(scope.store)
    answers = [
        await serving.call(scope, "house-rules", Call(input={"question": question}))
        for question in questions
    ]
    await serving.close()
    return [answer.output for answer in answers]


async def test_an_answer_quotes_its_source_with_heading_and_page(
    scope: Scope, folder: Path
) -> None:
    md, html, fire, keys, spare = await ask(
        scope,
        folder,
        "Where do bicycles stand?",
        "When does the dishwasher start?",
        "Where is the meeting point?",
        "What does a lost key cost?",
        "Who has the spare keys?",
    )

    cited = [answer["citations"][0] for answer in (md, html, fire, keys, spare)]
    assert [(c["source"], c["heading"], c["page"]) for c in cited] == [
        ("sources/house.md", "House rules › Bicycles", None),
        ("sources/kitchen.html", "Kitchen", None),
        ("sources/fire.pdf", "", 2),
        ("sources/keys.docx", "Lost keys", 1),
        ("sources/keys.docx", "Lost keys", 2),
    ]
    assert md["answer"].startswith("Bicycles stand in the yard, never in the corridor.")
    assert "18:00" in html["answer"]
    assert keys["sources"] == ["sources/keys.docx"]
    held = {document["id"]: document["text"] for document in keys["documents"]}
    assert keys["citations"][0]["quote"] in held[keys["citations"][0]["document"]]


async def test_what_the_sources_do_not_say_is_not_answered(scope: Scope, folder: Path) -> None:
    stranger, nothing = await ask(scope, folder, "Who won the world cup?", "?")

    for answer in (stranger, nothing):
        assert (answer["answer"], answer["answered"]) == ("The sources do not say.", False)
        assert (answer["citations"], answer["sources"]) == ([], [])


async def test_the_trace_shows_what_was_found_and_how_it_was_weighed(
    scope: Scope, folder: Path
) -> None:
    await ask(scope, folder)
    serving = Serving(scope.store)
    calls = [Call(input={"question": q}) for q in ("Who has the spare keys?", "Who won the cup?")]
    keys, cup = [await serving.call(scope, "house-rules", call) for call in calls]
    await serving.close()
    answered = {span.kind: span for span in get_trace(scope, keys.trace_id)}
    abstained = {span.kind: span for span in get_trace(scope, cup.trace_id)}

    found, model = answered["retriever"], answered["model"]
    assert found.parent_span_id == model.parent_span_id == answered["app"].span_id
    assert found.input == "Who has the spare keys?"
    best = found.output[0]
    assert (best["id"], best["source"], best["page"], best["heading"]) == (
        *("sources/keys.docx#2", "sources/keys.docx"),
        *(2, "Lost keys"),
    )
    assert best["text"] == "Spare keys are with the janitor."
    assert [item["score"] for item in found.output] == sorted(
        (item["score"] for item in found.output), reverse=True
    )
    assert min(best["by_words"], best["by_meaning"]) > 0
    assert found.attributes["support"] >= found.attributes["support_min"]
    assert found.started_at <= model.started_at
    # Nobody asked the model, so the trace does not say so either.
    assert set(abstained) == {"app", "retriever"}
    assert abstained["retriever"].attributes["support"] < 0.45


@pytest.mark.parametrize(
    ("guards", "asked", "kinds"),
    [
        (
            "{input: [mask_pii]}",
            "What does a lost key cost ann@example.com?",
            {"retriever", "model"},
        ),
        ("{input: [no_secrets]}", "Who has the keys, password: hunter2x!", set()),
        ("{output: [no_secrets]}", "What opens the safe?", set()),
    ],
)
async def test_a_search_shows_nothing_that_a_guard_hides(
    scope: Scope, folder: Path, guards: str, asked: str, kinds: set[str]
) -> None:
    (folder / "sources" / "safe.txt").write_text("The safe opens with password: hunter2x!\n")
    change(folder, "tests:\n", f"  retrieval: {{passages: 1}}\nguards: {guards}\ntests:\n")
    await ask(scope, folder)
    serving = Serving(scope.store)

    with nullcontext() if kinds else pytest.raises(Denied, match="held back"):
        await serving.call(scope, "house-rules", Call(input={"question": asked}))

    await serving.close()
    (call,) = latest_calls(scope, use_case="house-rules")
    spans = get_trace(scope, call.trace_id)
    kept = json.dumps([span.model_dump(mode="json") for span in spans])
    assert {span.kind for span in spans} == {"app", "guard", *kinds}
    assert ("ann@example.com" in kept, "hunter2x" in kept) == (False, False)
    searched = [span.input for span in spans if span.kind == "retriever"]
    assert searched == ["What does a lost key cost [EMAIL_1]?"] * ("retriever" in kinds)


async def test_the_release_keeps_its_sources_as_they_were(scope: Scope, folder: Path) -> None:
    (before,) = await ask(scope, folder, "What does a lost key cost?")
    first = get_release(scope, "v1", use_case="house-rules")
    (folder / "sources" / "keys.docx").write_bytes(docx(("Normal", "A lost key costs 90 euros.")))
    again = read_folder(folder)

    second = (await asyncio.to_thread(release_folder, scope, again)).release
    same = await asyncio.to_thread(release_folder, scope, again)
    serving = Serving(scope.store)
    call = Call(input={"question": "What does a lost key cost?"})
    live = (await serving.call(scope, "house-rules", call)).output
    await serving.close()

    assert (second.digest != first.digest, same.is_new) == (True, False)
    assert live == before


async def test_what_supports_an_answer_is_read_once_and_then_quoted(
    scope: Scope, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(scope, folder)
    serving = Serving(scope.store)
    read, known = Counter[str](), quoting.sentences
    monkeypatch.setattr(quoting, "sentences", lambda text: (read.update([text]), known(text))[1])

    # What was once read stays read for a while, so nobody may have asked this before.
    asked = Call(input={"question": f"What does a lost key cost, {folder.parent.name}?"})
    key = (await serving.call(scope, "house-rules", asked)).output
    await serving.close()

    assert key["answered"]
    assert read == Counter(document["text"] for document in key["documents"])


@pytest.mark.parametrize("quoted", [True, False])
async def test_a_model_is_held_to_what_it_quotes(scope: Scope, folder: Path, quoted: bool) -> None:
    document = "sources/keys.docx#1"
    invented = {"document": document, "quote": "A lost key costs 400 euros"}
    real = {"document": document, "quote": "a lost key costs 40 euros"}
    output = {"answer": "Forty.", "citations": [invented, *([real] if quoted else [])]}
    line = {"when": {"default": True}, "output": output, "cost_usd": 0.1}
    (folder / "answers.jsonl").write_text(json.dumps(line) + "\n")
    change(folder, "embedded:quotes", "scripted:answers.jsonl")

    key, cup = await ask(scope, folder, "What does a lost key cost?", "Who won the world cup?")

    assert (key["answered"], key["answer"]) == (
        (True, "Forty.") if quoted else (False, "The sources do not say.")
    )
    assert [citation["quote"] for citation in key["citations"]] == [real["quote"]] * quoted
    assert not cup["answered"]


def test_sources_that_cannot_be_read_are_all_named(scope: Scope, folder: Path) -> None:
    (folder / "sources" / "fire.pdf").write_bytes(b"%PDF-1.4 and then nothing")
    (folder / "sources" / "keys.docx").write_bytes(b"PK and then nothing")
    (folder / "sources" / "house.md").write_bytes(b"\xff\xfe")
    (folder / "sources" / "kitchen.html").write_text("<script>only()</script>")

    with pytest.raises(Invalid) as caught:
        release_folder(scope, read_folder(folder))

    lines = caught.value.message.splitlines()
    assert [line.split("`")[1] for line in lines] == [
        f"sources/{name}" for name in ("fire.pdf", "house.md", "keys.docx", "kitchen.html")
    ]
    assert "it is no whole PDF" in lines[0]
    assert "there is no text in it" in lines[3]


def test_a_failed_indexing_is_done_again_once_the_source_is_mended(
    scope: Scope, folder: Path
) -> None:
    good = (folder / "sources" / "fire.pdf").read_bytes()
    (folder / "sources" / "fire.pdf").write_bytes(b"%PDF-1.4 and then nothing")
    for _ in range(2):
        with pytest.raises(Invalid, match=r"fire\.pdf"):
            release_folder(scope, read_folder(folder))
    (folder / "sources" / "fire.pdf").write_bytes(good)

    assert release_folder(scope, read_folder(folder)).is_new


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[sources]", "[source]", "Did you mean `sources`?"),
        ("{answer: text}", "{answer: text, sources: text}", "come by themselves"),
        ("{question: text}", "{passages: text}", "Give the field another name"),
        ("kind: answer", "kind: predict", "change the kind"),
        ("model: embedded:quotes", "model: embedded:quote", "did you mean `quotes`?"),
    ],
)
def test_check_names_what_an_answer_app_cannot_be(
    folder: Path, old: str, new: str, said: str
) -> None:
    change(folder, old, new)

    assert said in " ".join(problem.hint or "" for problem in check_folder(folder))
