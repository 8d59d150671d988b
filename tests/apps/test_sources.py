"""Sources as they come: what is read of them, and files that are damaged, hostile or mistaken."""

import io
import time
import zipfile
from collections.abc import Iterator

import pytest
from pypdf import PdfWriter

from lineside.apps.answers.reader import SourceReader
from lineside.apps.answers.sections import SOURCE_BYTES_MAX, read_sections
from lineside.core import Invalid

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
GOOD = ("good.txt", b"The key hangs on hook 7.")


def docx(body: str | bytes, *, part: str = "word/document.xml") -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as parts:
        parts.writestr(part, body)
    return held.getvalue()


def pdf(*, user: str | None = None) -> bytes:
    """A page of nothing, which only its owner may change; `user` must also be known to read it."""
    writer, held = PdfWriter(), io.BytesIO()
    writer.add_blank_page(200, 200)
    if user is not None:
        writer.encrypt(user, "owner", algorithm="AES-256")
    writer.write(held)
    return held.getvalue()


@pytest.fixture(scope="module")
def reader() -> Iterator[SourceReader]:
    with SourceReader() as opened:
        yield opened


BAD = {
    "empty.md": (b" \n", "it is empty", "Fill it"),
    "latin.txt": ("Caf\xe9".encode("latin-1"), "it is not UTF-8 (byte 4 of 4)", "Save it as text"),
    "wide.txt": ("\ufeffKey".encode("utf-16-le"), "it is not UTF-8 (byte 1 of", "Save it as text"),
    "zeros.md": (b"a\0b", "it is no text (it holds zero bytes)", "ending of what it is"),
    "scripts.html": (b"<script>only()</script>", "there is no text in it", "Take it out"),
    "big.txt": (b"a" * (SOURCE_BYTES_MAX + 1), "the limit is 67,108,864", "Split it"),
    "plan.png": (b"\x89PNG", "ends in nothing that can be read", "Known: `.md`"),
    "pdf.md": (pdf(), "it is a PDF, but its name ends in `.md`", "end in `.pdf`"),
    "docx.pdf": (docx(""), "it is a ZIP archive or DOCX, but its name", "end in `.docx`"),
    "old.docx": (b"\xd0\xcf\x11\xe0", "locked by a password", "without a password"),
    "scan.pdf": (pdf(), "there is no text in it", "(OCR)"),
    "locked.pdf": (pdf(user="secret"), "it is locked by a password", "without a password"),
    "cut.pdf": (pdf()[:300], "it is no whole PDF", "Save it again as PDF"),
    "text.docx": (b"Just text", "it is no whole DOCX", "Save it again as DOCX"),
    "cut.docx": (docx("x" * 999)[:-30], "it is no whole DOCX", "Save it again as DOCX"),
    "sheet.docx": (docx("", part="xl/workbook.xml"), "without a text document", "word processor"),
    "xml.docx": (docx("<w:document"), "it is no whole DOCX (ParseError", "Save it again"),
    "bomb.docx": (docx(b" " * (SOURCE_BYTES_MAX + 1)), "unpacks to more than 67,108,864", "Split"),
    "laughs.docx": (
        docx('<!DOCTYPE a [<!ENTITY b "ha">]><a>&b;</a>'.encode("utf-16")),
        *("it declares entities", "word processor"),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_source_that_cannot_be_read_is_named_with_the_reason_and_the_way_out(
    reader: SourceReader, name: str
) -> None:
    content, why, hint = BAD[name]

    with pytest.raises(Invalid) as caught:
        reader.read(name, content)

    assert caught.value.message.startswith(f"The source `{name}` cannot be read: ")
    assert why in caught.value.message
    assert hint in (caught.value.hint or "")
    assert [section.text for section in reader.read(*GOOD)] == ["The key hangs on hook 7."]


def test_a_source_that_takes_too_long_is_given_up_and_the_next_is_read() -> None:
    with SourceReader(seconds_max=1) as reader:
        begun = time.monotonic()
        with pytest.raises(Invalid, match=r"`slow\.md` cannot be read: it takes longer than 1 s"):
            reader.read("slow.md", b"*a* `b` [c](d)\n\n" * 1_000_000)

        assert time.monotonic() - begun < 10
        assert reader.read(*GOOD)


def test_a_source_that_takes_too_much_memory_is_given_up_and_the_next_is_read() -> None:
    # Small on disk, and a hundred bytes in memory for each of its six.
    greedy = docx(f'<w:document xmlns:w="{WORD}">{"<w:p/>" * 1_500_000}</w:document>')
    with SourceReader(memory_bytes_max=160 * 1024**2) as reader:
        with pytest.raises(Invalid, match=r"`greedy\.docx` cannot be read") as caught:
            reader.read("greedy.docx", greedy)

        assert caught.value.hint == "Split it, or save it again."
        assert reader.read(*GOOD)


def test_a_pdf_that_is_only_locked_against_changes_is_read() -> None:
    with pytest.raises(Invalid, match="there is no text in it"):
        read_sections("ours.pdf", pdf(user=""))


def test_markdown_is_read_as_a_person_sees_it() -> None:
    text = """\
---
owner: office
---
Keys
====

The *key* of __room 7__ hangs
on [hook `7`][hooks].

~~~
# no heading
```
~~~

| Room | Hook |
|------|------|
| 7    | **9** |

Lost <b>keys</b>
---
<div hidden>

1. Call `snake_case()`
   - at once

[hooks]: hooks.md
"""

    read = read_sections("keys.md", text.encode())

    assert [tuple(section) for section in read] == [
        ("", None, "owner: office"),
        (
            "Keys",
            None,
            "The key of room 7 hangs on hook 7.\n# no heading\n```\nRoom | Hook\n7 | 9",
        ),
        ("Keys › Lost keys", None, "Call snake_case()\nat once"),
    ]


def test_a_web_page_whose_head_is_never_closed_is_read() -> None:
    page = b"<html><head><title>Site</title><meta charset=utf-8><body><h1>Keys</h1><p>Hook 7"

    assert [tuple(section) for section in read_sections("a.html", page)] == [
        ("Keys", None, "Hook 7")
    ]
