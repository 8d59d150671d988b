"""The use case folder: the manifest and the files it refers to, read and checked as one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lineside.core import Invalid, LinesideError, NotFound
from lineside.gateway import ModelSetup, provider_for
from lineside.usecases.checks import Meaning
from lineside.usecases.document import FILE_BYTES_MAX, ManifestProblem, Misread, Node, read_document
from lineside.usecases.files import READ_BYTES_MAX, Files, FolderFiles, HeldFiles
from lineside.usecases.grounding import grounded_model
from lineside.usecases.manifest import Manifest
from lineside.usecases.scorers import ScorerDeclaration
from lineside.usecases.structure import read_structure

MANIFEST_FILE = "usecase.yaml"
_PROBLEMS_MAX = 50


@dataclass(frozen=True)
class UseCaseFolder:
    """A use case as it stands in a folder or in a release: nothing in it is wrong.

    Attributes:
        manifest: What `usecase.yaml` declares.
        input_schema: JSON Schema (2020-12) of the app's input, a closed object.
        output_schema: JSON Schema of its output, the same.
        files: Bytes of every file the manifest refers to, by relative path: `usecase.yaml` itself,
            prompt, value lists, Python scorers. Not the datasets, nor what only the model reads.
        path: The folder, or nothing when read from a release.
    """

    manifest: Manifest
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    files: Mapping[str, bytes] = field(repr=False)
    path: Path | None
    _read: Callable[[str], bytes] = field(repr=False, compare=False)
    _under: Callable[[str], list[str]] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """Name of the use case."""
        return self.manifest.name

    @property
    def prompt(self) -> str | None:
        """Text of the prompt file."""
        path = self.manifest.app.prompt
        return self.files[path].decode("utf-8-sig") if path else None

    @property
    def scorers(self) -> tuple[ScorerDeclaration, ...]:
        """Scorers in force, ready to be built: those that need the output's schema carry it."""
        return tuple(
            replace(scorer, arguments={"schema": dict(self.output_schema)})
            if scorer.kind in ("json_schema", "schema_share") and not scorer.arguments
            else scorer
            for scorer in self.manifest.scorers
        )

    def read_file(self, path: str) -> bytes:
        """Bytes of any file of the folder, datasets included.

        Raises:
            NotFound: There is no such file in the folder; a path that leads out of it is none.
            Invalid: The file is too large or cannot be read.
        """
        try:
            return self.files[path] if path in self.files else self._read(path)
        except Misread as wrong:
            if wrong.code in ("too_large", "unreadable_file"):
                raise Invalid(
                    wrong.code, f"Read {wrong.read}, expected {wrong.expected}", hint=wrong.hint
                ) from None
            raise NotFound(
                wrong.code, f"Read {wrong.read}, expected {wrong.expected}", hint=wrong.hint
            ) from None

    def source_files(self) -> list[str]:
        """Files that the answers of an `answer` app are grounded in, each once, by name."""
        named = (path for source in self.manifest.app.sources for path in self._under(source))
        return sorted(set(named))

    def model_setup(self, artefact: bytes | None = None) -> ModelSetup:
        """What the model's provider needs of this use case."""
        inputs, outputs = self.input_schema, self.output_schema
        if self.manifest.app.kind == "answer":
            inputs, outputs = grounded_model(inputs, outputs)
        return ModelSetup(
            spec=self.manifest.app.model,
            input_schema=inputs,
            output_schema=outputs,
            read_file=self.read_file,
            prompt=self.prompt,
            options=self.manifest.app.options,
            artefact=artefact,
            knobs={knob.name: knob.default for knob in self.manifest.knobs},
            choices={knob.name: knob.of for knob in self.manifest.knobs if knob.of},
        )


def read_folder(path: Path) -> UseCaseFolder:
    """Read a use case folder.

    Raises:
        Invalid: `manifest_invalid`, with everything that is wrong, each with its line and hint.
    """
    files, problems = _opened(path)
    folder = None
    if files is not None:
        folder, problems = _read(files, path=path)
    return _without_problems(folder, problems, place=str(path))


def read_files(files: Mapping[str, bytes]) -> UseCaseFolder:
    """Read a use case from bytes, such as the contents of a release; datasets may be absent.

    Raises:
        Invalid: As `read_folder`.
    """
    folder, problems = _read(HeldFiles(files), path=None)
    return _without_problems(folder, problems, place="the release")


def check_folder(path: Path) -> list[ManifestProblem]:
    """Say all that is wrong with a folder, the setup of its model included; empty is good."""
    files, problems = _opened(path)
    if files is None:
        return problems
    folder, problems = _read(files, path=path)
    if folder is None:
        return problems
    root, _ = read_document(folder.files[MANIFEST_FILE], file=MANIFEST_FILE)
    node = root.get("app", "model") if root else None
    return _model_problems(folder, node)


def _model_problems(folder: UseCaseFolder, node: Node | None) -> list[ManifestProblem]:
    """What the model's provider has to say of the setup, at the line of `app.model`."""
    spec = folder.manifest.app.model
    try:
        sentences = provider_for(spec).check(folder.model_setup())
    except LinesideError as error:
        sentences = [" ".join(part for part in (error.message, error.hint) if part)]
    line, column = node.mark if node else (None, None)
    return [
        ManifestProblem(
            MANIFEST_FILE,
            line,
            column,
            f"`{spec}`",
            "a model that can be set up",
            sentence,
            "bad_model_setup",
        )
        for sentence in sentences
    ]


def _opened(path: Path) -> tuple[FolderFiles | None, list[ManifestProblem]]:
    """The folder's files, or why it is no use case folder."""
    hint = "Name a folder that holds `usecase.yaml`, or write one with `lineside init`."
    if not path.exists():
        return None, [_no_folder(path, "no such folder", hint)]
    if path.is_dir():
        return FolderFiles(path), []
    if path.name == MANIFEST_FILE:
        hint = f"Name the folder it lies in: `{path.parent}`."
    return None, [_no_folder(path, "a file", hint)]


def _no_folder(path: Path, read: str, hint: str) -> ManifestProblem:
    return ManifestProblem(str(path), None, None, read, "a use case folder", hint, "not_a_folder")


def _read(files: Files, *, path: Path | None) -> tuple[UseCaseFolder | None, list[ManifestProblem]]:
    try:
        data = files.read(MANIFEST_FILE, bytes_max=FILE_BYTES_MAX)
    except Misread as wrong:
        hint, code = wrong.hint, wrong.code
        if code == "missing_file":
            hint, code = f"{hint} `lineside init` writes a new folder with one.", "no_manifest"
        return None, [
            ManifestProblem(MANIFEST_FILE, None, None, wrong.read, wrong.expected, hint, code)
        ]
    root, problems = read_document(data, file=MANIFEST_FILE)
    if root is None:
        return None, problems
    manifest, misfits = read_structure(root, file=MANIFEST_FILE)
    meaning = Meaning(root, files, file=MANIFEST_FILE, with_data=path is not None)
    meaning.check()
    found = sorted([*problems, *misfits, *meaning.problems], key=lambda item: item.line or 0)
    if found or manifest is None:
        return None, found
    return (
        UseCaseFolder(
            manifest=manifest,
            input_schema=meaning.input_schema,
            output_schema=meaning.output_schema,
            files={MANIFEST_FILE: data, **dict(sorted(meaning.files.items()))},
            path=path,
            _read=lambda name: files.read(name, bytes_max=READ_BYTES_MAX),
            _under=files.under,
        ),
        [],
    )


def _without_problems(
    folder: UseCaseFolder | None, problems: list[ManifestProblem], *, place: str
) -> UseCaseFolder:
    if folder is not None and not problems:
        return folder
    shown = problems[:_PROBLEMS_MAX]
    lines = [
        problem.text + (f"\n  hint: {problem.hint}" if problem.hint else "") for problem in shown
    ]
    if len(problems) > len(shown):
        lines.append(f"and {len(problems) - len(shown)} more")
    raise Invalid(
        "manifest_invalid",
        "\n".join(lines),
        hint=f"Correct this and run `lineside check {place}` again." if place else None,
    )
