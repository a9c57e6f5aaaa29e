"""Methods to train networks on noisy labels, one file each.

To add a method, write its file and add a line to `registry.METHODS`. Its own flags go to
`options.OPTIONS`.
"""

from noisylabels.methods.options import OPTIONS, MethodOption, options_of
from noisylabels.methods.registry import (
    METHODS,
    PAPER_METHODS,
    PATTERN_AWARE_METHODS,
    SELECTION_METHODS,
    MethodEntry,
    method_class,
    title_of,
)

__all__ = [
    "METHODS",
    "OPTIONS",
    "PAPER_METHODS",
    "PATTERN_AWARE_METHODS",
    "SELECTION_METHODS",
    "MethodEntry",
    "MethodOption",
    "method_class",
    "options_of",
    "title_of",
]
