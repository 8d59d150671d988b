"""What is masked before it is kept."""

from lineside.traces.privacy.door import masked_body, masked_span, masked_words, masker_of
from lineside.traces.privacy.patterns import finder_of, found_in
from lineside.traces.privacy.rules import (
    MaskRule,
    built_in_patterns,
    list_rules,
    mask,
    try_rules,
    unmask,
)

__all__ = [
    "MaskRule",
    "built_in_patterns",
    "finder_of",
    "found_in",
    "list_rules",
    "mask",
    "masked_body",
    "masked_span",
    "masked_words",
    "masker_of",
    "try_rules",
    "unmask",
]
