"""Published labels and what is made of them, as `benchmarks/truth.py` prints it."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_PATH = Path(__file__).parents[1] / "benchmarks" / "published.py"
_SPEC = spec_from_file_location("benchmarks_published", _PATH)
assert _SPEC is not None
labels = module_from_spec(_SPEC)
assert _SPEC.loader is not None
_SPEC.loader.exec_module(labels)
