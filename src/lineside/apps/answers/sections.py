"""Sources as text: Markdown, HTML, PDF, DOCX and plain text, with page and heading kept."""

import io
import logging
import re
import zipfile
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import PurePosixPath
from typing import NamedTuple
from xml.etree import ElementTree

from lineside.core import Invalid

SOURCE_BYTES_MAX = 64 * 1024 * 1024
"""Of one source, in bytes; of a DOCX also what it unpacks to."""

PAGES_MAX = 5_000
"""Of one PDF; a longer one is refused, not cut."""

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FENCE = re.compile(r"^\s*(```|~~~)")
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_EMPHASIS = re.compile(r"(\*\*|__|`)(.+?)\1")
_UNSEEN = {"script", "style", "template", "noscript", "head", "nav", "svg"}
_BLOCKS = {
    *("p", "div", "li", "tr", "br", "pre", "table", "section", "article", "blockquote", "ul", "ol"),
    *("dd", "dt", "main", "header", "footer", "aside", "figcaption", "title"),
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

    Raises:
        Invalid: It is too large, damaged, locked by a password, or holds no text at all.
    """
    reader = _READERS.get(PurePosixPath(path).suffix.casefold())
    if reader is None:
        known = ", ".join(f"`{ending}`" for ending in _READERS)
        raise _unreadable(path, "its name ends in nothing that can be read", f"Known: {known}.")
    if len(content) > SOURCE_BYTES_MAX:
        why = f"it has {len(content):,} bytes, the limit is {SOURCE_BYTES_MAX:,}"
        raise _unreadable(path, why, "Split it.")
    try:
        sections = [section for section in reader(content) if section.text.strip()]
    except _BadSource as bad:
        raise _unreadable(path, str(bad), "Save it again, or take it out of `sources`.") from None
    if not sections:
        raise _unreadable(
            path, "there is no text in it", "A scan needs its text recognised first (OCR)."
        )
    return sections


class _BadSource(Exception):
    """Why the bytes are not what the name says."""


def _unreadable(path: str, why: str, hint: str) -> Invalid:
    return Invalid("source_unreadable", f"The source `{path}` cannot be read: {why}", hint=hint)


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _BadSource(f"it is not UTF-8 (byte {error.start})") from None


def _plain(content: bytes) -> Iterator[Section]:
    yield Section("", None, _text(content))


def _markdown(content: bytes) -> Iterator[Section]:
    headings, lines, is_code = _Headings(), list[str](), False
    for line in _text(content).splitlines():
        if _FENCE.match(line):
            is_code = not is_code
            continue
        found = None if is_code else _HEADING.match(line)
        if found:
            yield Section(str(headings), None, _paragraphs(lines))
            lines = []
            headings.enter(len(found[1]), _without_marks(found[2]))
        else:
            lines.append(line if is_code else _without_marks(line))
    yield Section(str(headings), None, _paragraphs(lines))


def _without_marks(line: str) -> str:
    return _EMPHASIS.sub(r"\2", _LINK.sub(r"\1", line))


def _paragraphs(lines: list[str]) -> str:
    """Join the lines of one paragraph; a list item or a table row stays one of its own."""
    joined: list[str] = []
    is_open = False
    for line in lines:
        text = line.strip()
        is_item = bool(re.match(r"([-*+]|\d{1,3}[.)])\s", text)) or text.startswith("|")
        if is_open and text and not is_item:
            joined[-1] += f" {text}"
        elif text and not re.fullmatch(r"[|:\s-]+", text):
            joined.append(re.sub(r"^([-*+])\s+", "", text))
        is_open = bool(text)
    return "\n".join(joined)


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
    page = _PageText()
    page.feed(_text(content))
    page.close()
    page.cut()
    return page.sections


def _pdf(content: bytes) -> Iterator[Section]:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    # It warns of each small fault that it can read past, which only the file's maker could mend.
    logging.getLogger("pypdf").setLevel(logging.ERROR)
    try:
        document = PdfReader(io.BytesIO(content))
        if document.is_encrypted:
            raise _BadSource("it is locked by a password")
        if len(document.pages) > PAGES_MAX:
            raise _BadSource(f"it has {len(document.pages):,} pages, the limit is {PAGES_MAX:,}")
        for number, page in enumerate(document.pages, start=1):
            yield Section("", number, _unwrapped(page.extract_text()))
    # A damaged file ends the library in whatever its bytes happen to break.
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _BadSource(f"it is no whole PDF ({error})"[:200]) from None


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
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            body = _xml(parts, "word/document.xml")
            has_styles = "word/styles.xml" in parts.namelist()
            named = _xml(parts, "word/styles.xml") if has_styles else ElementTree.Element("none")
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, NotImplementedError) as error:
        raise _BadSource(f"it is no whole DOCX ({error})"[:200]) from None
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


def _xml(parts: zipfile.ZipFile, name: str) -> ElementTree.Element:
    with parts.open(name) as part:
        data = part.read(SOURCE_BYTES_MAX + 1)
    if len(data) > SOURCE_BYTES_MAX:
        raise _BadSource(f"it unpacks to more than {SOURCE_BYTES_MAX:,} bytes")
    if b"<!DOCTYPE" in data:
        raise _BadSource("it declares entities, which no word processor writes")
    return ElementTree.fromstring(data)  # noqa: S314 # entities are refused above


def _runs(paragraph: ElementTree.Element) -> Iterator[str]:
    for node in paragraph.iter():
        if node.tag == f"{_WORD}t":
            yield node.text or ""
        elif node.tag in (f"{_WORD}tab", f"{_WORD}br"):
            yield " "


def _is_page_break(node: ElementTree.Element) -> bool:
    is_break = node.tag == f"{_WORD}br" and node.get(f"{_WORD}type") == "page"
    return is_break or node.tag == f"{_WORD}lastRenderedPageBreak"


_READERS: dict[str, Callable[[bytes], Iterator[Section] | list[Section]]] = {
    ".md": _markdown,
    ".markdown": _markdown,
    ".txt": _plain,
    ".html": _html,
    ".htm": _html,
    ".pdf": _pdf,
    ".docx": _docx,
}
