"""Test cases that the model was taught: to know those proves nothing."""

from collections.abc import Callable

import orjson

from lineside.evals.dataset import Dataset
from lineside.evals.datasets.duplicates import asked_words
from lineside.gateway import provider_for
from lineside.usecases import UseCaseFolder


def taught_cases(folder: UseCaseFolder, read: Callable[[], Dataset]) -> str | None:
    """Say how many test cases ask the very words of an example that the model learns from.

    Capitals and blanks aside. Nothing where none does, or where the model learns from no examples
    here. Nearly the same words are found by `duplicates_among`, for which both must be kept.

    Args:
        read: Gives the test cases; called only where there are examples.
    """
    setup = folder.model_setup()
    for path in provider_for(setup.spec).files(setup):
        taught = _asked(folder.read_file(path))
        if not taught:
            continue
        dataset = read()
        count = sum(asked_words(case.input) in taught for case in dataset)
        if count:
            return (
                f"{count:,} of {len(dataset):,} test cases stand in `{path}` too: the model was "
                "taught them, so they do not show how it does with others. Take them out of one"
            )
    return None


def _asked(content: bytes) -> set[str]:
    """What the examples of a training file ask; none where it is no such file."""
    found = set()
    for line in content.split(b"\n"):
        try:
            example = orjson.loads(line) if line.strip() else None
        except ValueError:
            continue  # to fit the model says what is wrong with it
        if isinstance(example, dict) and "input" in example:
            found.add(asked_words(example["input"]))
    return found
