from collections.abc import Callable
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from lineside.usecases import Manifest, check_folder, read_folder
from lineside.usecases.manifest import manifest_schema

Make = Callable[..., Path]
EXAMPLE = Path(__file__).parents[2] / "examples" / "support-triage"
MORE = """\
knobs:
  - {name: careful, kind: boolean, default: true, who: user}
guards:
  output: [matches_schema]
rollout:
  steps: [5%, 25%, 100%]
  hold: 30m
  stop_if: [error_rate > 2%, latency_p95_ms > 800, helpful < 0.7]
  margins: {error_rate: 1%, helpful: 0.05}
"""


def test_a_manifest_comes_back_from_its_json_unchanged(make: Make) -> None:
    manifest = read_folder(make(add=MORE)).manifest

    assert Manifest.model_validate(manifest.model_dump(mode="json")) == manifest
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_what_is_declared_and_not_enforced_is_said(make: Make) -> None:
    assert read_folder(make()).manifest.declared_not_enforced() == []
    assert read_folder(make(add=MORE)).manifest.declared_not_enforced() == []
    told = "kill_criterion: under 3% after two months\n"
    assert read_folder(make(add=told)).manifest.declared_not_enforced() == [
        "`kill_criterion`: it is kept for people to act on",
    ]


def test_the_example_passes_check_and_the_schema_for_editors() -> None:
    declared = yaml.safe_load((EXAMPLE / "usecase.yaml").read_text())

    assert check_folder(EXAMPLE) == []
    Draft202012Validator(manifest_schema()).validate(declared)


def test_the_schema_for_editors_refuses_what_reading_refuses(make: Make) -> None:
    check = Draft202012Validator(manifest_schema())
    right = yaml.safe_load((make() / "usecase.yaml").read_text())

    assert check.is_valid(right)
    assert not check.is_valid({**right, "onwer": "x"})
    assert not check.is_valid({**right, "risk": "some"})
    assert not check.is_valid({**right, "app": {**right["app"], "input": {"message": "strng"}}})
    assert not check.is_valid({name: value for name, value in right.items() if name != "owner"})
