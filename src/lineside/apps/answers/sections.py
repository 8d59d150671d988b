"""Sources as text: Markdown, HTML, PDF, DOCX and plain text, with page and heading kept.

This file is also a program of its own, which reads one source after another for a `SourceReader`:
a hostile file can keep a reader busy for years. It therefore imports nothing but `lineside.core`.
"""

import io
import json
import logging
import re
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from html.parser import HTMLParser
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree

from lineside.core import Invalid

if TYPE_CHECKING:
    from markdown_it.token import Token

SOURCE_BYTES_MAX = 64 * 1024 * 1024
"""Of one source, in bytes; of a DOCX also what it unpacks to."""

PAGES_MAX = 5_000
"""Of one PDF; a longer one is refused, not cut."""

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---(?:\n|\Z)", re.DOTALL)
_NESTING_MAX = 100
_UNSEEN = {"script", "style", "template", "noscript", "title", "nav", "svg"}
_BLOCKS = {
    *("p", "div", "li", "tr", "br", "pre", "table", "section", "article", "blockquote", "ul", "ol"),
    *("dd", "dt", "main", "header", "footer", "aside", "figcaption"),
}


class Section(NamedTuple):
    """A stretch of a source under one heading and, where there are pages, on one page.

    Attributes:
        heading: The headings above it, outermost first, such as `Travel › Hotels`; may be empty.
        page: Counted from 1; nothing in a source without pages.
        text: Paragraphs and list items, one per line.
    """

    heading: str
    page: int | None
    text: str


class _Headings:
    """The headings that stand above the place a reader has reached."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def enter(self, level: int, title: str) -> None:
        self._open = [pair for pair in self._open if pair[0] < level]
        self._open.append((level, " ".join(title.split())[:200]))

    def __str__(self) -> str:
        return " › ".join(title for _, title in self._open)


def is_readable(path: str) -> bool:
    """Whether a file of this name can be a source."""
    return PurePosixPath(path).suffix.casefold() in _READERS


def read_sections(path: str, content: bytes) -> list[Section]:
    """Read one source; its name's ending says how.

    A hostile file can take very long and very much memory, which `SourceReader` limits.

    Raises:
        Invalid: It is too large, damaged, locked by a password, something else than its name says,
            or holds no text at all.
    """
    ending = PurePosixPath(path).suffix.casefold()
    try:
        reader = _reader(ending, content)
        return [section for section in reader(content) if section.text.strip()] or _nothing(ending)
    except _BadSource as bad:
        why, hint = bad.args
    except MemoryError:
        why, hint = "it needs too much memory", "Split it, or save it again."
    # A damaged file ends a reader in whatever its bytes happen to break.
    except Exception as error:  # noqa: BLE001
        kind = ending[1:].upper()
        why = f"it is no whole {kind} ({type(error).__name__}: {error})"[:200]
        hint = f"Save it again as {kind}, or take it out of `sources`."
    raise unreadable(path, why, hint) from None


def unreadable(path: str, why: str, hint: str) -> Invalid:
    """The error that tells which source is at fault, why, and what to do."""
    return Invalid("source_unreadable", f"The source `{path}` cannot be read: {why}", hint=hint)


class _BadSource(Exception):
    """Why a source cannot be read, and what to do."""

    def __init__(self, why: str, hint: str) -> None:
        super().__init__(why, hint)


def _reader(ending: str, content: bytes) -> "Callable[[bytes], Iterable[Section]]":
    if ending not in _READERS:
        known = ", ".join(f"`{one}`" for one in _READERS)
        raise _BadSource("its name ends in nothing that can be read", f"Known: {known}.")
    if len(content) > SOURCE_BYTES_MAX:
        why = f"it has {len(content):,} bytes, the limit is {SOURCE_BYTES_MAX:,}"
        raise _BadSource(why, "Split it.")
    if not content.strip():
        raise _BadSource("it is empty", "Fill it, or take it out of `sources`.")
    for beginning, (kind, endings, hint) in _BEGINNINGS.items():
        if content.startswith(beginning) and ending not in endings:
            raise _BadSource(f"it is {kind}, but its name ends in `{ending}`", hint)
    return _READERS[ending]


def _nothing(ending: str) -> list[Section]:
    hint = "Take it out of `sources`."
    if ending == ".pdf":
        hint = "A scan needs its text recognised first (OCR)."
    raise _BadSource("there is no text in it", hint)


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        why = f"it is not UTF-8 (byte {error.start + 1:,} of {len(content):,})"
        raise _BadSource(why, "Save it as text in UTF-8.") from None
    if "\0" in text:
        hint = "Save it as text in UTF-8, or give it the ending of what it is."
        raise _BadSource("it is no text (it holds zero bytes)", hint)
    return text


def _plain(content: bytes) -> Iterator[Section]:
    yield Section("", None, _text(content))


def _markdown(content: bytes) -> Iterator[Section]:
    from markdown_it import MarkdownIt

    text = _text(content).replace("\r\n", "\n")
    front = _FRONT_MATTER.match(text)
    if front:
        yield Section("", None, front[1])
        text = text[front.end() :]
    parser = MarkdownIt("commonmark", {"maxNesting": _NESTING_MAX}).enable("table")
    headings, lines = _Headings(), list[str]()
    tokens = iter(parser.parse(text))
    for token in tokens:
        if token.type == "heading_open":
            yield Section(str(headings), None, "\n".join(lines))
            lines = []
            headings.enter(int(token.tag[1]), _said(next(tokens)))
        elif token.type == "tr_open":
            lines.append(" | ".join(_cells(tokens)))
        elif token.type == "html_block":
            lines += [
                text for part in _seen(token.content) for text in (part.heading, part.text) if text
            ]
        elif token.type in ("inline", "fence", "code_block"):
            lines.append(_said(token))
    yield Section(str(headings), None, "\n".join(lines))


def _cells(tokens: "Iterator[Token]") -> Iterator[str]:
    for token in tokens:
        if token.type == "tr_close":
            return
        if token.type == "inline":
            yield _said(token)


def _said(token: "Token") -> str:
    """What a person reads of a piece of Markdown."""
    if token.children is None or token.type == "code_inline":
        return token.content.rstrip("\n")
    breaks = ("softbreak", "hardbreak")
    return "".join(
        " " if child.type in breaks else _said(child)
        for child in token.children
        if child.type != "html_inline"
    ).strip()


class _PageText(HTMLParser):
    """What a person sees of a web page, under its headings."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.sections: list[Section] = []
        self._headings = _Headings()
        self._parts: list[str] = []
        self._title: list[str] | None = None
        self._unseen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 # the parser's
        if tag in _UNSEEN:
            self._unseen.append(tag)
        elif re.fullmatch("h[1-6]", tag):
            self.cut()
            self._title = []
        elif tag in _BLOCKS:
            self._parts.append("\n")
        elif tag in ("td", "th"):
            self._parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._unseen:
            # What was left open inside ends with what is around it.
            del self._unseen[self._unseen.index(tag) :]
        elif re.fullmatch("h[1-6]", tag) and self._title is not None:
            self._headings.enter(int(tag[1]), "".join(self._title))
            self._title = None
        elif tag in _BLOCKS:
            self._parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            (self._parts if self._title is None else self._title).append(" ".join(data.split("\n")))

    def cut(self) -> None:
        lines = (" ".join(line.split()) for line in "".join(self._parts).split("\n"))
        text = "\n".join(line for line in lines if line)
        self.sections.append(Section(str(self._headings), None, text))
        self._parts = []


def _html(content: bytes) -> list[Section]:
    return _seen(_text(content))


def _seen(markup: str) -> list[Section]:
    page = _PageText()
    page.feed(markup)
    page.close()
    page.cut()
    return page.sections


def _pdf(content: bytes) -> Iterator[Section]:
    from pypdf import PasswordType, PdfReader

    # It warns of each small fault that it can read past, which only the file's maker could mend.
    logging.getLogger("pypdf").setLevel(logging.ERROR)
    document = PdfReader(io.BytesIO(content))
    # Many are locked against changes only, and open to whoever gives no password.
    if document.is_encrypted and document.decrypt("") == PasswordType.NOT_DECRYPTED:
        raise _BadSource("it is locked by a password", "Save it without a password.")
    if len(document.pages) > PAGES_MAX:
        why = f"it has {len(document.pages):,} pages, the limit is {PAGES_MAX:,}"
        raise _BadSource(why, "Split it.")
    for number, page in enumerate(document.pages, start=1):
        yield Section("", number, _unwrapped(page.extract_text()))


def _unwrapped(text: str) -> str:
    """Join the lines of a printed paragraph, and the words that were divided at their ends."""
    text = re.sub(r"(?<=[a-zà-ÿ])[-\u00ad]\n(?=[a-zà-ÿ])", "", text)
    return "\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text))


def _docx(content: bytes) -> Iterator[Section]:
    styles, body = _docx_parts(content)
    headings, lines = _Headings(), list[str]()
    # Only a word processor that has laid the text out writes where its pages begin.
    page = 1 if any(map(_is_page_break, body.iter())) else None
    for paragraph in body.iter(f"{_WORD}p"):
        style = paragraph.find(f"{_WORD}pPr/{_WORD}pStyle")
        level = styles.get(style.get(f"{_WORD}val", ""), 0) if style is not None else 0
        text = "".join(_runs(paragraph)).strip()
        breaks = sum(1 for node in paragraph.iter() if _is_page_break(node))
        if (level and text) or breaks:
            yield Section(str(headings), page, "\n".join(lines))
            lines = []
        page = page + breaks if page else None
        if level and text:
            headings.enter(level, text)
        elif text:
            lines.append(text)
    yield Section(str(headings), page, "\n".join(lines))


def _docx_parts(content: bytes) -> tuple[dict[str, int], ElementTree.Element]:
    """Levels of the heading styles by their id, and the body."""
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        if "word/document.xml" not in parts.namelist():
            why = "it is a ZIP archive without a text document in it"
            raise _BadSource(why, "Save it as DOCX from a word processor.")
        body = _xml(parts, "word/document.xml")
        has_styles = "word/styles.xml" in parts.namelist()
        named = _xml(parts, "word/styles.xml") if has_styles else ElementTree.Element("none")
    styles = {f"Heading{level}": level for level in range(1, 7)}
    for style in named.iter(f"{_WORD}style"):
        name = style.find(f"{_WORD}name")
        # Word writes the ids in the language of its user, and the names always in English.
        found = re.fullmatch(
            r"heading ([1-6])", name.get(f"{_WORD}val", "").casefold() if name is not None else ""
        )
        if found:
            styles[style.get(f"{_WORD}styleId", "")] = int(found[1])
    return styles, body


class _PlainTree(ElementTree.TreeBuilder):
    """Refuses the declarations from which a small file unfolds into a huge one."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:  # noqa: ARG002
        why = "it declares entities, which no word processor writes"
        raise _BadSource(why, "Save it again as DOCX from a word processor.")


def _xml(parts: zipfile.ZipFile, name: str) -> ElementTree.Element:
    with parts.open(name) as part:
        data = part.read(SOURCE_BYTES_MAX + 1)
    if len(data) > SOURCE_BYTES_MAX:
        why = f"its text unpacks to more than {SOURCE_BYTES_MAX:,} bytes"
        raise _BadSource(why, "Split it.")
    # Entities are refused by the tree.
    return ElementTree.fromstring(data, ElementTree.XMLParser(target=_PlainTree()))  # noqa: S314


def _runs(paragraph: ElementTree.Element) -> Iterator[str]:
    for node in paragraph.iter():
        if node.tag == f"{_WORD}t":
            yield node.text or ""
        elif node.tag in (f"{_WORD}tab", f"{_WORD}br"):
            yield " "


def _is_page_break(node: ElementTree.Element) -> bool:
    is_break = node.tag == f"{_WORD}br" and node.get(f"{_WORD}type") == "page"
    return is_break or node.tag == f"{_WORD}lastRenderedPageBreak"


_READERS: dict[str, Callable[[bytes], Iterable[Section]]] = {
    ".md": _markdown,
    ".markdown": _markdown,
    ".txt": _plain,
    ".html": _html,
    ".htm": _html,
    ".pdf": _pdf,
    ".docx": _docx,
}
_BEGINNINGS = {
    b"%PDF-": ("a PDF", {".pdf"}, "Rename it to end in `.pdf`."),
    b"PK\x03\x04": ("a ZIP archive or DOCX", {".docx"}, "Rename a DOCX to end in `.docx`."),
    b"\xd0\xcf\x11\xe0": (
        *("an old Word file, or one locked by a password", set[str]()),
        "Save it as DOCX without a password.",
    ),
}


def _serve() -> None:
    """Answer each request of a `SourceReader`: a line with path and size, then the bytes."""
    if sys.platform == "linux":  # no other system holds to it
        import resource

        memory_bytes = int(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    while line := sys.stdin.buffer.readline():
        path, size = json.loads(line)
        try:
            answer: dict[str, Any] = {"sections": read_sections(path, sys.stdin.buffer.read(size))}
        except Invalid as error:
            answer = {"code": error.code, "message": error.message, "hint": error.hint}
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
