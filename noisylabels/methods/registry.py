"""All methods by name: Standard, the paper's six in the order of its table, and later ones."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from noisylabels.methods.base import Method


class MethodEntry(NamedTuple):
    """A method of the registry. Its key is the name of its file in this package."""

    class_name: str
    title: str  # in tables and figures
    cost: float = 1.0  # time per epoch, relative to Standard
    teacher: str | None = None  # method whose networks it needs
    files: tuple[str, ...] = ()  # names of further files <method>_<name>.csv


METHODS = {
    "standard": MethodEntry("Standard", "Standard"),
    "f_correction": MethodEntry("FCorrection", "F-correction", files=("T",)),
    "decoupling": MethodEntry("Decoupling", "Decoupling", 2.0),
    "co_teaching": MethodEntry("CoTeaching", "Co-teaching", 2.7),
    "mentornet": MethodEntry("MentorNet", "MentorNet"),
    "d2l": MethodEntry("D2L", "D2L"),
    "incv": MethodEntry("ModifiedCoTeaching", "INCV", 1.5),
}
PAPER_METHODS = tuple(METHODS)  # Standard and the six of Chen et al. 2019
METHODS |= {
    "gce": MethodEntry("GCE", "GCE"),
    "sce": MethodEntry("SCE", "SCE"),
    "elr": MethodEntry("ELR", "ELR", files=("labels",)),
    "incv_student": MethodEntry("Student", "INCV student", teacher="incv", files=("labels",)),
}

SELECTION_METHODS = ("incv", "incv_student")  # train on the selection of INCV
PATTERN_AWARE_METHODS = (*SELECTION_METHODS, "elr")  # assume a noise pattern


def method_class(name: str) -> type[Method]:
    """Return the class of a method.

    Raises
    ------
    KeyError
        If the name is unknown.
    """
    return getattr(import_module(f"noisylabels.methods.{name}"), METHODS[name].class_name)


def title_of(method: str) -> str:
    """Return the title of a method, or its name if it is not in `METHODS`."""
    return METHODS[method].title if method in METHODS else method
