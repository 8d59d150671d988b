"""Reads datasets that lie in several files: Hugging Face folders and the OpenAI evals registry."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from lineside.core import Invalid
from lineside.evals.datasets.files import SUFFIXES, FileEntry, parse_file

_FILES_MAX = 10_000
_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}


def read_folder(folder: Path, unread: Counter[str]) -> list[FileEntry]:
    """Read a dataset as Hugging Face lays it out: cloned from the hub, or saved to disk.

    The split of a file is told by the folder's own description, or by `train`, `validation` or
    `test` in its name or folder. Numbers that stand for classes become the classes' names. Of
    several configurations the default one is read, else the first; the others are told as unread.

    Raises:
        Invalid: It holds no data, or more files than can be.
    """
    card = _card(folder)
    found = [
        FileEntry(_named(row, classes), split)
        for file, split in _data_files(folder, card, unread)
        for classes in [_classes(file.parent, card)]
        for parsed in [parse_file(file)]
        for row in (parsed if isinstance(parsed, list) else [parsed])
    ]
    if not found:
        raise Invalid(
            "no_cases",
            f"`{folder.name}` holds no data of a dataset",
            hint=f"Expected files that end with {', '.join(SUFFIXES)}.",
        )
    return found


def read_registry(file: Path, registry: dict[str, Any]) -> list[FileEntry] | None:
    """Read the samples that a file of the OpenAI evals registry names; nothing if it names none.

    They lie in `data` beside the file's folder, as in the registry itself, or beside the file.
    """
    named = {
        str(arguments["samples_jsonl"])
        for entry in registry.values()
        if isinstance(entry, dict) and isinstance(arguments := entry.get("args"), dict)
        if "samples_jsonl" in arguments
    }
    entries: list[FileEntry] = []
    for name in sorted(named):
        places = [file.parent.parent / "data" / name, file.parent / name]
        place = next((place for place in places if place.is_file()), None)
        if place is None:
            raise Invalid(
                "dataset_missing",
                f"`{file.name}` names the samples `{name}`, which are not there",
                hint=f"Put them at `{places[0]}`.",
            )
        entries += [FileEntry(entry) for entry in parse_file(place)]
    return entries if named else None


def _card(folder: Path) -> dict[str, Any]:
    """What the front of the folder's README says, where it says something."""
    readme = folder / "README.md"
    text = readme.read_text(errors="replace") if readme.is_file() else ""
    front = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
    try:
        found = yaml.safe_load(front[1]) if front else None
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def _data_files(
    folder: Path, card: dict[str, Any], unread: Counter[str]
) -> Iterator[tuple[Path, str | None]]:
    if saved := sorted([*folder.glob("state.json"), *folder.glob("*/state.json")]):
        for state in saved:
            split = state.parent.name if state.parent != folder else None
            for part in parse_file(state).get("_data_files", ()):
                yield state.parent / str(part["filename"]), split
        return
    yield from _described(folder, card, unread) or _by_name(folder)


def _described(
    folder: Path, card: dict[str, Any], unread: Counter[str]
) -> list[tuple[Path, str | None]]:
    configs = [one for one in card.get("configs") or () if isinstance(one, dict)]
    chosen = next((one for one in configs if one.get("default")), configs[0] if configs else {})
    unread.update(f"configuration {one.get('config_name')}" for one in configs if one != chosen)
    described = chosen.get("data_files") or ()
    if isinstance(described, dict):
        described = [{"split": split, "path": path} for split, path in described.items()]
    parts = described if isinstance(described, list) else [{"path": described}]
    return [
        (file, part.get("split"))
        for part in parts
        if isinstance(part, dict)
        for given in [part.get("path") or ()]
        for pattern in ([given] if isinstance(given, str) else given)
        for file in sorted(folder.glob(str(pattern).lstrip("/")))
    ]


def _by_name(folder: Path) -> list[tuple[Path, str | None]]:
    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in SUFFIXES]
    if len(files) > _FILES_MAX:
        raise Invalid(
            "dataset_too_large",
            f"`{folder.name}` holds {len(files):,} files, the limit is {_FILES_MAX:,}",
        )
    about = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json")
    return [(file, _split_of(file.relative_to(folder))) for file in files if file.name not in about]


def _split_of(file: Path) -> str | None:
    words = re.split(r"[^a-z]+", str(file.with_suffix("")).lower())
    return next((split for split, names in _SPLITS.items() if set(names) & set(words)), None)


def _classes(folder: Path, card: dict[str, Any]) -> dict[str, list[str]]:
    """Names of the classes that a column's numbers stand for."""
    info = folder / "dataset_info.json"
    if info.is_file():
        features = (parse_file(info) or {}).get("features") or {}
        return {name: one["names"] for name, one in features.items() if "names" in one}
    described = card.get("dataset_info")
    described = described[0] if isinstance(described, list) and described else described
    found = {}
    for one in (described or {}).get("features") or ():
        kind = one.get("dtype")
        if isinstance(kind, dict) and "class_label" in kind:
            found[one["name"]] = list(kind["class_label"]["names"].values())
    return found


def _named(row: Any, classes: dict[str, list[str]]) -> Any:
    if not isinstance(row, dict):
        return row
    return row | {
        name: names[row[name]]
        for name, names in classes.items()
        if isinstance(row.get(name), int) and 0 <= row[name] < len(names)
    }
