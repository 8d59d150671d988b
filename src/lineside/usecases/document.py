"""The YAML file as it stands on the page: every value with its line and column.

Only plain data is read: no tags, no anchors, no aliases, so a file can neither build objects nor
grow while it is read. Words follow YAML 1.2: `yes`, `no`, `on`, `off` and dates are texts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

FILE_BYTES_MAX = 256 * 1024
DEPTH_MAX = 24
VALUES_MAX = 20_000

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(
    r"[-+]?(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:[eE][-+]?[0-9]{1,2})?"
)
_CONSTANTS: dict[str, bool | None] = {
    "true": True,
    "false": False,
    "null": None,
    "~": None,
    "": None,
}


@dataclass(frozen=True)
class ManifestProblem:
    """One thing that is wrong with a use case folder, and how to put it right.

    Attributes:
        file: The file it was found in, relative to the folder.
        line: Counted from 1; nothing where the problem is the file itself.
        column: Counted from 1.
        read: What stands there.
        expected: What should stand there.
        hint: What to do next.
        code: Stable name of the kind of problem.
    """

    file: str
    line: int | None
    column: int | None
    read: str
    expected: str
    hint: str | None = None
    code: str = "bad_value"

    @property
    def text(self) -> str:
        """The problem in one line, without its hint."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: read {self.read}, expected {self.expected}"


class Misread(ValueError):
    """A value that cannot be taken: what was read, what was expected, and what to do."""

    def __init__(self, read: str, expected: str, *, hint: str, code: str = "bad_value") -> None:
        super().__init__(f"read {read}, expected {expected}")
        self.read = read
        self.expected = expected
        self.hint = hint
        self.code = code


class Mark(NamedTuple):
    """A place in the file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the file.

    Attributes:
        value: A scalar, a list of nodes, or a mapping from name to node.
        mark: Where the value begins.
        source: A scalar as it was written.
        keys: For a mapping: where each name stands.
    """

    value: Any
    mark: Mark
    source: str = ""
    keys: dict[str, Mark] | None = None

    def plain(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def get(self, *path: str | int) -> "Node | None":
        """The value at a path of names and positions, or nothing."""
        node = self
        for step in path:
            inner = node.value
            if isinstance(inner, dict):
                found = inner.get(step)
            elif isinstance(inner, list) and isinstance(step, int) and step < len(inner):
                found = inner[step]
            else:
                return None
            if found is None:
                return None
            node = found
        return node

    def shown(self) -> str:
        """The value as a person would name it in a sentence."""
        if isinstance(self.value, dict):
            return "a mapping" if self.value else "an empty mapping"
        if isinstance(self.value, list):
            return "a list" if self.value else "an empty list"
        if self.value is None:
            return "nothing"
        return quoted(self.source)


def spelled(value: object) -> str:
    """A value as an error names it, whatever it is."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return "nothing" if value is None else quoted(str(value))


def quoted(text: str) -> str:
    """A piece of the file between backticks, in one line and not too long."""
    line = " ".join(text[:400].split())
    line = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)
    return f"`{line[:80]}…`" if len(line) > 80 else f"`{line}`"


def read_document(data: bytes, *, file: str) -> tuple[Node | None, list[ManifestProblem]]:
    """Read the bytes of a YAML file: its top mapping, and what is wrong with its form.

    A file whose form is broken gives no mapping; a repeated name does not break it.
    """
    reader = _Reader(file)
    text = reader.decode(data)
    root = reader.read(text) if text is not None else None
    return root, reader.problems


class _Stop(Exception):
    """Reading cannot go on; the problem is noted already."""


class _Reader:
    """Builds the tree from the stream of events, so that its depth and size stay in our hands."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[ManifestProblem] = []
        self._values = 0

    def note(self, mark: Mark | None, read: str, expected: str, *, hint: str, code: str) -> None:
        line, column = mark or (None, None)
        self.problems.append(ManifestProblem(self.file, line, column, read, expected, hint, code))

    def decode(self, data: bytes) -> str | None:
        if len(data) > FILE_BYTES_MAX:
            self.note(
                None,
                f"{len(data)} bytes",
                f"at most {FILE_BYTES_MAX}",
                hint="Move long texts into files beside the manifest, such as `prompt:`.",
                code="too_large",
            )
            return None
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            column = error.start - data.rfind(b"\n", 0, error.start)
            self.note(
                Mark(line, column),
                f"a byte 0x{data[error.start]:02x} that is not UTF-8",
                "text in UTF-8",
                hint="Save the file again with the encoding UTF-8.",
                code="not_utf8",
            )
            return None
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def read(self, text: str) -> Node | None:
        try:
            root = self._document(text)
        except _Stop:
            return None
        except yaml.YAMLError as error:
            self._explain(error, text)
            return None
        if root is None or root.value is None:
            self.note(
                Mark(1, 1),
                "an empty file",
                "a manifest",
                hint="Begin with `name: my-use-case`, or let `lineside init` write the file.",
                code="empty",
            )
            return None
        if not isinstance(root.value, dict):
            self.note(
                root.mark,
                root.shown(),
                "names with values, such as `name: my-use-case`",
                hint="Each line at the left edge is a name, a colon and a value.",
                code="not_a_mapping",
            )
            return None
        return root

    def _document(self, text: str) -> Node | None:
        events = yaml.parse(text, Loader=_Loader)
        root = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.note(
                        _mark(event),
                        "a second document after `---`",
                        "one manifest in the file",
                        hint="Remove the line `---` and what follows, or make a folder for it.",
                        code="several_documents",
                    )
                    raise _Stop
            elif isinstance(event, yaml.NodeEvent):
                root = self._node(event, events, depth=1)
        return root

    def _node(self, event: Any, events: Iterator[Any], *, depth: int) -> Node:
        self._values += 1
        mark = _mark(event)
        if depth > DEPTH_MAX or self._values > VALUES_MAX:
            limit = f"{DEPTH_MAX} levels" if depth > DEPTH_MAX else f"{VALUES_MAX} values"
            self.note(
                mark,
                f"more than {limit}",
                f"at most {limit}",
                hint="A manifest is short; move data into files beside it.",
                code="too_large",
            )
            raise _Stop
        self._refuse_cleverness(event, mark)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(event := next(events), yaml.SequenceEndEvent):
                items.append(self._node(event, events, depth=depth + 1))
            return Node(items, mark)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, mark, depth=depth)
        return Node(_scalar(event), mark, event.value)

    def _mapping(self, events: Iterator[Any], mark: Mark, *, depth: int) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            name = self._node(event, events, depth=depth + 1)
            value = self._node(next(events), events, depth=depth + 1)
            if isinstance(name.value, dict | list):
                self.note(
                    name.mark,
                    f"{name.shown()} as a name",
                    "a word before the colon",
                    hint="Put braces and brackets after the colon, not before it.",
                    code="bad_name",
                )
            elif name.source in keys:
                self.note(
                    name.mark,
                    f"{quoted(name.source)} a second time (first on line {keys[name.source].line})",
                    "each name once",
                    hint=f"Keep one of the lines {keys[name.source].line} and {name.mark.line}.",
                    code="duplicate_key",
                )
            else:
                keys[name.source] = name.mark
                values[name.source] = value
        return Node(values, mark, keys=keys)

    def _refuse_cleverness(self, event: Any, mark: Mark) -> None:
        if event.anchor is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            self.note(
                mark,
                quoted(f"{sign}{event.anchor}"),
                "the value itself",
                hint="Anchors and aliases are not read, since they can make a small file huge; "
                "write the value out, or put quotes around a text that begins with `&` or `*`.",
                code="alias",
            )
            raise _Stop
        if getattr(event, "tag", None) is not None:
            self.note(
                mark,
                quoted(str(event.tag).replace("tag:yaml.org,2002:", "!!")),
                "a plain value",
                hint="Tags are not read; put quotes around a text that begins with `!`.",
                code="tag",
            )
            raise _Stop

    def _explain(self, error: yaml.YAMLError, text: str) -> None:
        """Say what the YAML parser stumbled over, in words for someone who does not know YAML."""
        place = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        lines = text.split("\n")
        if place is None:  # a character that no YAML file may hold
            at = max(getattr(error, "position", 0), 0)
            mark = Mark(text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
        else:
            mark = Mark(place.line + 1, place.column + 1)
        for number, line in enumerate(lines[: mark.line], start=1):
            if "\t" in line[: len(line) - len(line.lstrip())] and number >= mark.line - 1:
                self.note(
                    Mark(number, line.index("\t") + 1),
                    "a tab at the start of the line",
                    "spaces",
                    hint="Indent with two spaces a level; most editors can convert tabs.",
                    code="tab",
                )
                return
        line = lines[mark.line - 1] if mark.line <= len(lines) else ""
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "not readable"
        hint = (
            "Look at quotes, brackets, the space after each colon, and the indentation of "
            "this line and the one before."
        )
        if "mapping values" in reason:
            hint = "Put quotes around a text that holds a colon; check the indentation."
        self.note(
            mark,
            quoted(line) if line.strip() else "the end of the file",
            f"YAML ({reason})",
            hint=hint,
            code="not_yaml",
        )


def _mark(event: Any) -> Mark:
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)


def _scalar(event: Any) -> Any:
    text: str = event.value
    if event.style:  # quoted, or a block of text
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text
