"""Find wrong labels in memory: `find_label_issues` and `select_clean`. See docs/data.md."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noisylabels.api import CleanSamples, find_label_issues, select_clean

__all__ = ["CleanSamples", "find_label_issues", "select_clean"]


def __getattr__(name: str) -> Any:
    """Import the API when it is used, so that `import noisylabels` imports no other package."""
    if name in __all__:
        return getattr(import_module("noisylabels.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
