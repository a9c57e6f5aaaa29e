"""Colours, dashes and markers of lines, distinct for colour-blind readers and in grey.

A method looks the same in all figures.
"""

from typing import Any, NamedTuple

from noisylabels.methods import METHODS, title_of


class LineStyle(NamedTuple):
    """The style of a line and its name in the legend."""

    name: str
    color: object
    dash: object
    marker: str
    fill: str = "full"

    def style(self, **changes: Any) -> dict[str, Any]:
        """Return keyword arguments of `Axes.plot`."""
        return {
            "color": self.color,
            "linestyle": self.dash,
            "marker": self.marker,
            "markersize": 4.5,
            "fillstyle": self.fill,
            "markerfacecoloralt": "white",
            **changes,
        }

    def hollow(self) -> dict[str, Any]:
        """Return the style of published points: large hollow markers without a line."""
        return self.style(
            linestyle="none", markersize=8, markerfacecolor="none", markeredgewidth=0.8
        )


STYLES = {  # by method
    "standard": ("#000000", (0, (1, 1)), "X"),
    "f_correction": ("#0060a8", (0, (5, 1.5)), "s"),
    "decoupling": ("#e69f00", (0, (6, 1.5, 1, 1.5)), "^"),
    "co_teaching": ("#00946b", (0, (3, 1)), "D"),
    "mentornet": ("#c0609a", (0, (4, 1, 1, 1, 1, 1)), "v"),
    "d2l": ("#7cc8f2", (0, (8, 2)), "P"),
    "incv": ("#a00000", "-", "o"),
    "gce": ("#30006e", (0, (2, 1, 1, 1)), "<"),
    "sce": ("#8a7a00", (0, (9, 1.5, 1, 1.5)), ">"),
    "elr": ("#ff6a4d", (0, (12, 2)), "p"),
    "incv_student": ("#1b541b", (0, (5, 1, 2, 1)), "h"),
}
CUSTOM_STYLES = (  # of methods that users add, in their order
    ("#777777", (0, (3, 1, 1, 1)), "*"),
    ("#a0522d", (0, (1, 2)), "8"),
    ("#4060e0", (0, (7, 1, 2, 1)), "d"),
)
SCORES = {
    "TA": LineStyle("test accuracy (TA)", "#0072b2", "-", "o"),
    "LP": LineStyle("label precision (LP)", "#a00000", (0, (5, 1.5)), "s"),
    "LR": LineStyle("label recall (LR)", "#e69f00", (0, (6, 1.5, 1, 1.5)), "^"),
}
# of markers for runs that differ from the recipe
FILLS = ("none", "left", "right", "top", "bottom")
GREY = LineStyle("", "0.4", "-", "o")
SETS = {"selected": "#0072b2", "candidate": "#e69f00", "removed": "#a00000"}
QUANTITIES = {
    "test_agreement": "agreement with noisy test labels",
    "heldout_accuracy": "agreement with held-out noisy labels",
    "heldout_loss": "loss on held-out noisy labels",
    "kept_precision": "label precision of kept samples",
    "kept": "fraction of samples kept",
    "lid": "local intrinsic dimensionality",
    "alpha": "weight α of the observed label",
    "selected": "selected samples",
    "LP": "label precision (LP)",
    "LR": "label recall (LR)",
}


def with_difference(what: object, differs: str) -> str:
    """Return a name and, after a comma, the difference of its runs from the recipe, if any."""
    return f"{what}, {differs}" if differs else str(what)


def line_style(method: str, differs: str = "", number: int = 0) -> LineStyle:
    """Return the style of a method.

    Parameters
    ----------
    method : str
        Name of the method.
    differs : str
        Difference of its runs from the recipe; "" if there is none. Markers of other runs are
        hollow or half filled.
    number : int
        Number of lines with differences that this method already has in the figure.
    """
    style = STYLES.get(method)
    if style is None:
        custom = [name for name in METHODS if name not in STYLES]
        position = custom.index(method) if method in custom else 0
        style = CUSTOM_STYLES[position % len(CUSTOM_STYLES)]
    default = LineStyle(title_of(method), *style)
    if not differs:
        return default
    name = with_difference(default.name, differs)
    return default._replace(name=name, fill=FILLS[number % len(FILLS)])
