"""How lines are drawn: in colour, dash and marker, so that they survive colour blindness and a grey printer.

A method looks the same in all figures.
"""
from typing import NamedTuple

from noisylabels.methods import METHODS, title_of


class Look(NamedTuple):
    """How a line is drawn, and what the legend calls it."""

    name: str
    color: object
    dash: object
    marker: str
    fill: str = "full"

    def style(self, **changes):
        """Keyword arguments of `Axes.plot`."""
        return {"color": self.color, "linestyle": self.dash, "marker": self.marker, "markersize": 4.5,
                "fillstyle": self.fill, "markerfacecoloralt": "white", **changes}

    def hollow(self):
        """As large empty markers without a line: how all published points are drawn."""
        return self.style(linestyle="none", markersize=8, markerfacecolor="none", markeredgewidth=0.8)


STYLES = {                      # of the methods, by name
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
OWN = (                         # of others, in the order in which they are registered
    ("#777777", (0, (3, 1, 1, 1)), "*"), ("#a0522d", (0, (1, 2)), "8"), ("#4060e0", (0, (7, 1, 2, 1)), "d"))
SCORES = {
    "TA": Look("test accuracy (TA)", "#0072b2", "-", "o"),
    "LP": Look("label precision (LP)", "#a00000", (0, (5, 1.5)), "s"),
    "LR": Look("label recall (LR)", "#e69f00", (0, (6, 1.5, 1, 1.5)), "^"),
}
FILLS = ("none", "left", "right", "top", "bottom")      # of the markers of runs that are not the recipe as it stands
GREY = Look("", "0.4", "-", "o")
SETS = {"selected": "#0072b2", "candidate": "#e69f00", "removed": "#a00000"}
QUANTITIES = {"test_agreement": "agreement with noisy test labels",
              "heldout_accuracy": "agreement with held-out noisy labels",
              "heldout_loss": "loss on held-out noisy labels", "kept_precision": "label precision of kept samples",
              "kept": "fraction of samples kept", "lid": "local intrinsic dimensionality",
              "alpha": "weight α of the observed label", "selected": "selected samples",
              "LP": "label precision (LP)", "LR": "label recall (LR)"}


def named(what, differs):
    """The name of a method, a setting or a folder, and in what its runs differ from the recipe, if in anything."""
    return f"{what}, {differs}" if differs else str(what)


def look(method, differs="", number=0):
    """How a method is drawn.

    differs: in what its runs differ from the recipe, in words; number: of such runs of the method in the figure. They
    have markers that are not filled, or half.
    """
    own = [name for name in METHODS if name not in STYLES]
    usual = Look(title_of(method), *STYLES.get(method, OWN[own.index(method) % len(OWN) if method in own else 0]))
    return usual._replace(name=named(usual.name, differs), fill=FILLS[number % len(FILLS)]) if differs else usual
