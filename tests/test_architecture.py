"""The map of the code, checked. Read this file first.

A room may import only the rooms listed above it. Doors sit on top of every room and may not
import each other. Other rooms are entered through their front door, `lineside.<room>`, never
through their inner files. Imports inside functions and under TYPE_CHECKING count: a hidden cycle is
a cycle.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = "lineside"
SOURCE = Path(__file__).parents[1] / "src" / PACKAGE

ROOMS = [
    "core",  # words every room shares
    "stats",  # how sure are we
    "store",  # the only way to disk
    "trust",  # who may, and who did
    "traces",  # what happened
    "gateway",  # every model call
    "signals",  # what customers say
    "usecases",  # where AI helps
    "evals",  # is it good enough
    "guardrails",  # what must not pass
    "agents",  # models that act
    "apps",  # what we ship
    "monitors",  # is it still good
    "impact",  # was it worth it
    "governance",  # may we, and can we show it
]
DOORS = ["api", "web", "cli", "sdk"]

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
NAMES_MAX = 15


@cache
def modules() -> list[tuple[str, Path, ast.Module]]:
    """Return (room, file, syntax tree) for every file; a top-level file is its own room."""
    files = [file.relative_to(SOURCE) for file in sorted(SOURCE.rglob("*.py"))]
    return [
        (file.parts[0].removesuffix(".py"), file, ast.parse((SOURCE / file).read_text()))
        for file in files
    ]


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield every module of this package that the tree imports, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
            if node.module == PACKAGE:
                names = [f"{PACKAGE}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.startswith(f"{PACKAGE}."))


def may_import(room: str, target: str) -> bool:
    if room == target or room in {"server", "__init__", "__main__"}:
        return True
    if room in DOORS:
        return target in ROOMS
    return target in ROOMS and ROOMS.index(target) < ROOMS.index(room)


def test_every_folder_is_on_the_map() -> None:
    folders = {
        path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"
    }
    assert folders <= {*ROOMS, *DOORS}


def test_imports_go_up_the_list_only() -> None:
    wrong = [
        f"{file}: {room} may not import {name}"
        for room, file, tree in modules()
        for name in imports(tree)
        if not may_import(room, name.split(".")[1])
    ]
    assert wrong == []


def test_rooms_are_entered_by_the_front_door() -> None:
    wrong = [
        f"{file}: import from {PACKAGE}.{name.split('.')[1]}, not from {name}"
        for room, file, tree in modules()
        for name in imports(tree)
        if name.split(".")[1] != room and name.count(".") > 1
    ]
    assert wrong == []


def test_a_noun_is_defined_once() -> None:
    homes = defaultdict(set)
    for _, file, tree in modules():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].add(str(file))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def test_files_and_functions_stay_small() -> None:
    wrong = []
    for _, file, tree in modules():
        lines = len((SOURCE / file).read_text().splitlines())
        if lines > FILE_LINES_MAX:
            wrong.append(f"{file}: {lines} lines, limit {FILE_LINES_MAX}")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                start = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0].lineno
                length = (node.end_lineno or start) - start + 1
                if length > FUNCTION_LINES_MAX:
                    wrong.append(
                        f"{file}:{node.lineno}: {node.name} has {length} lines, "
                        f"limit {FUNCTION_LINES_MAX}"
                    )
    assert wrong == []


def test_a_front_door_stays_narrow() -> None:
    wrong = {}
    doors = [SOURCE / room / "__init__.py" for room in ROOMS]
    for door in [*doors, *(SOURCE / "evals").glob("*/__init__.py")]:
        for node in ast.parse(door.read_text()).body if door.exists() else []:
            is_all = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            if is_all and isinstance(node.value, ast.List) and len(node.value.elts) > NAMES_MAX:
                wrong[str(door.parent.relative_to(SOURCE))] = len(node.value.elts)
    assert wrong == {}


def test_sql_stands_only_in_queries() -> None:
    """`store` builds the ways to SQL; every other room writes it in its `queries.py` alone."""
    wrong = [
        f"{file}: imports {name}"
        for room, file, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None) or node.names[0].name]
        if name.split(".")[0] in {"sqlalchemy", "duckdb", "sqlite3", "psycopg"}
        if room != "store" and file.name != "queries.py"
    ]
    assert wrong == []


def test_the_map_in_words_names_every_room() -> None:
    text = (SOURCE.parents[1] / "ARCHITECTURE.md").read_text()
    built = [name for name in [*ROOMS, *DOORS] if (SOURCE / name).is_dir()]
    assert [name for name in built if f"`{name}/`" not in text] == []
