"""What `lineside init` writes: a folder that can be tested at once, shaped by the fit answers."""

import json
import re
from pathlib import Path

from lineside.core import Conflict, Invalid, Unavailable, did_you_mean
from lineside.usecases.fit import TEMPLATES, FitAnswers
from lineside.usecases.folder import MANIFEST_FILE
from lineside.usecases.manifest import manifest_schema

SCHEMA_FILE = "usecase.schema.json"
_FOLDER = Path(__file__).parent / "templates"
_BLANK = re.compile(r"\{\{(?P<word>\w+)(?:\|(?P<otherwise>[^}]*))?\}\}")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?")
# What needs no quotes in any YAML reader, and cannot be taken for a number, a date or `yes`.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_/.,;()%'-]*(?: [A-Za-z0-9_/.,;()%'-]+)*")
_RESERVED = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def init_folder(
    path: Path,
    *,
    answers: FitAnswers,
    template: str | None = None,
    name: str | None = None,
) -> list[Path]:
    """Write a use case folder that can be checked and tested as it stands.

    Args:
        path: The folder; made where it is not there. Nothing in it is ever overwritten.
        answers: Fill the problem in and choose the interface.
        template: One of `predict-classify`, `predict-extract`, `answer`, `agent`; else the one that
            the answers suggest.
        name: Name of the use case; else made from the folder's name.

    Returns:
        The files that were written.

    Raises:
        Invalid: No such template, or no name can be made.
        Conflict: A file that would be written is there already.
    """
    chosen = _chosen(template or answers.template)
    task = next(task for task, known in TEMPLATES.items() if known == chosen.name)
    blanks = _blanks(answers.model_copy(update={"task": task}), name=_name(path, name))
    contents = {
        source.relative_to(chosen).as_posix(): source.read_text(encoding="utf-8")
        for source in sorted(chosen.rglob("*"))
        if source.is_file()
    }
    contents[MANIFEST_FILE] = _filled(contents[MANIFEST_FILE], blanks)
    contents[SCHEMA_FILE] = json.dumps(manifest_schema(), indent=1, ensure_ascii=False) + "\n"
    _refuse_overwriting(path, list(contents))
    return _write(path, contents)


def template_names() -> list[str]:
    """Name every template."""
    return list(TEMPLATES.values())


def _chosen(template: str) -> Path:
    if template in TEMPLATES.values():
        return _FOLDER / template
    near = did_you_mean(template, template_names())
    known = ", ".join(f"`{name}`" for name in template_names())
    raise Invalid(
        "unknown_template",
        f"No template is called `{template[:80]}`",
        hint=f"Did you mean `{near}`? There are: {known}." if near else f"There are: {known}.",
    )


def _name(path: Path, name: str | None) -> str:
    wanted = name or re.sub(r"[^a-z0-9]+", "-", path.resolve().name.lower()).strip("-")[:60]
    if _NAME.fullmatch(wanted):
        return wanted
    raise Invalid(
        "bad_use_case_name",
        f"Read `{wanted[:80]}` as the name, expected lower-case letters, digits and hyphens, "
        "at most 60",
        hint="Names look like `support-triage`.",
    )


def _blanks(answers: FitAnswers, *, name: str) -> dict[str, str]:
    given = {
        "name": name,
        "statement": answers.statement,
        "who": answers.who,
        "today": answers.today,
        "measure": re.sub(r"\W+", "_", answers.measure.strip(), flags=re.ASCII).strip("_")[:64],
        "owner": answers.owner,
        "risk": "high" if answers.mistakes_are_costly else "",
        "interface": answers.interface if _says_where(answers) else "",
    }
    if given["measure"][:1].isdigit():
        given["measure"] = f"m_{given['measure']}"[:64]
    asked = answers.model_dump(exclude_none=True, exclude={*given, "name"})
    is_open = set(asked) <= {"task"}
    lines = [f"  {word}: {json.dumps(value).strip(chr(34))}" for word, value in asked.items()]
    note = "fit: # your answers to the questions of `lineside init`"
    return {
        **{word: _yaml_text(text) for word, text in given.items() if text.strip()},
        "fit": "" if is_open else "\n".join([note, *lines]),
    }


def _says_where(answers: FitAnswers) -> bool:
    return answers.needs_chat is not None or answers.in_batch is not None


def _filled(text: str, blanks: dict[str, str]) -> str:
    lines = []
    for line in text.splitlines():
        filled = _BLANK.sub(lambda blank: blanks.get(blank["word"], blank["otherwise"] or ""), line)
        if filled.strip() or not _BLANK.search(line):
            lines.append(filled)
    return "\n".join(lines) + "\n"


def _yaml_text(text: str) -> str:
    text = "".join(sign for sign in " ".join(text.split()) if sign.isprintable())
    if _PLAIN.fullmatch(text) and text.casefold() not in _RESERVED:
        return text
    if re.fullmatch(r"[0-9]+ [A-Za-z][A-Za-z0-9 ,.%-]*", text):
        return text
    return json.dumps(text, ensure_ascii=False)


def _refuse_overwriting(path: Path, names: list[str]) -> None:
    if path.exists() and not path.is_dir():
        raise Conflict(
            "not_a_folder",
            f"`{path}` is a file, expected a folder or nothing",
            hint="Choose another name.",
        )
    there = [name for name in names if (path / name).exists() or (path / name).is_symlink()]
    if there:
        raise Conflict(
            "folder_in_use",
            f"`{path}` holds already: {', '.join(f'`{name}`' for name in there)}",
            hint="Choose another folder, or move these away; nothing was written.",
        )


def _write(path: Path, contents: dict[str, str]) -> list[Path]:
    written = []
    try:
        for name, text in contents.items():
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
            written.append(target)
    except OSError as error:
        raise Unavailable(
            "folder_not_writable",
            f"`{path}` could not be written: {error.strerror}",
            hint="Choose a folder you may write, or free space on the disk.",
        ) from error
    return written
