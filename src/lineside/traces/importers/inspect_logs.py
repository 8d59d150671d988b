"""Inspect AI: logs of evaluations, `.eval` archives and `.json`, one trace for each sample."""

import io
import re
import zipfile
from typing import Any

from lineside.core import LinesideError
from lineside.traces.compression import unpack
from lineside.traces.conventions.values import as_dict
from lineside.traces.importers.files import ExportFile, loads
from lineside.traces.importers.inspect_events import SampleTree
from lineside.traces.importers.inspect_scores import sample_said
from lineside.traces.importers.said import Found
from lineside.traces.importers.steps import listed
from lineside.traces.otlp import NotASpan, Refusal

ARCHIVE = b"PK"
SAMPLE_BYTES_MAX = 256 * 1024 * 1024
_ZSTD = 93
_LOCAL_HEADER_BYTES = 30
_HEADERS = ("header.json", "_journal/start.json", "start.json")
_SAMPLE = re.compile(r"samples/[^/]+\.json")
_IN_PIECES = re.compile(r"samples/.+/sample\.json")


def recognises(entry: dict[str, Any]) -> bool:
    log = entry.get("log", entry)
    return isinstance(log, dict) and isinstance(log.get("eval"), dict) and "version" in log


def read_inspect(file: ExportFile) -> Found:
    """Steps of every sample: its solvers, the models and tools they called; scores and tags.

    Samples are opened one after the other. A log without samples is refused, so that nobody takes
    an empty import for a whole one.
    """
    return _archive(file) if file.head(len(ARCHIVE)) == ARCHIVE else file.read(_of_log)


def _of_log(entry: dict[str, Any]) -> Found:
    log = entry.get("log", entry)
    if not isinstance(log, dict) or not isinstance(log.get("eval"), dict):
        raise NotASpan("it is no log of Inspect: it names no `eval`")
    samples = listed(log.get("samples"))
    if not samples:
        raise NotASpan(f"the log holds no samples (its status is `{log.get('status')}`)")
    for number, sample in enumerate(samples, start=1):
        yield from _sample(log, sample, f"sample {number:,}")


def _archive(file: ExportFile) -> Found:
    try:
        with file.unpacked() as path, zipfile.ZipFile(path) as archive:
            yield from _of_archive(file, archive)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        yield Refusal(f"the archive cannot be opened ({error})", f"`{file.path.name}`")


def _of_archive(file: ExportFile, archive: zipfile.ZipFile) -> Found:
    names = archive.namelist()
    header = next((name for name in _HEADERS if name in names), None)
    if header is None:
        yield Refusal("the archive is no log of Inspect: it has no header", f"`{file.path.name}`")
        return
    log = as_dict(loads(_content(archive, header)))
    samples = [name for name in names if _SAMPLE.fullmatch(name)]
    for number, name in enumerate(samples, start=1):
        file.share = number / len(samples)
        if archive.getinfo(name).file_size > SAMPLE_BYTES_MAX:
            yield Refusal(f"the sample is larger than {SAMPLE_BYTES_MAX:,} bytes", f"`{name}`")
            continue
        try:
            sample = loads(_content(archive, name))
        except (ValueError, zipfile.BadZipFile, NotImplementedError, OSError) as error:
            yield Refusal(f"the sample cannot be read ({type(error).__name__})", f"`{name}`")
            continue
        yield from _sample(log, sample, f"`{name}`")
    in_pieces = [name for name in names if _IN_PIECES.fullmatch(name)]
    for name in in_pieces:
        yield Refusal("the sample is stored in pieces, which are not read yet", f"`{name}`")
    if not samples and not in_pieces:
        yield Refusal("the log holds no samples", f"`{file.path.name}`")


def _content(archive: zipfile.ZipFile, name: str) -> bytes:
    """An entry unpacked, also where it is packed by zstd, which `zipfile` learns in Python 3.14."""
    entry = archive.getinfo(name)
    if entry.compress_type != _ZSTD or archive.fp is None:
        return archive.read(name)
    archive.fp.seek(entry.header_offset)
    header = archive.fp.read(_LOCAL_HEADER_BYTES)
    if len(header) < _LOCAL_HEADER_BYTES:
        raise zipfile.BadZipFile("an entry is cut short")
    names_bytes = sum(int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    archive.fp.seek(names_bytes, io.SEEK_CUR)
    try:
        return unpack(archive.fp.read(entry.compress_size), "zstd", bytes_max=SAMPLE_BYTES_MAX)
    except LinesideError as error:
        raise zipfile.BadZipFile(error.message) from error


def _sample(log: dict[str, Any], sample: Any, place: str) -> Found:
    try:
        evaluation, sample = as_dict(log.get("eval")), as_dict(sample)
        tree = SampleTree(evaluation, sample)
        yield from tree.spans()
        whole = sample | {"scores": tree.whole(sample.get("scores"))}
        yield from sample_said(evaluation, whole, trace_id=tree.trace_id, ended_ns=tree.ended_ns)
    except NotASpan as error:
        yield Refusal(str(error), place)
    except Exception as error:  # noqa: BLE001 # one strange sample must not cost the others
        yield Refusal(f"it could not be read ({type(error).__name__})", place)
