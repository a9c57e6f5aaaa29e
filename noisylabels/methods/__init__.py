"""The methods of the paper's table, in its order. A new one is a file in this folder and a line here."""
from importlib import import_module
from typing import NamedTuple


class Entry(NamedTuple):
    """Where a method is: its class, in the file of its name; and what tables and figures call it."""

    class_name: str
    title: str


METHODS = {
    "standard": Entry("Standard", "Standard"),
    "f_correction": Entry("FCorrection", "F-correction"),
    "decoupling": Entry("Decoupling", "Decoupling"),
    "co_teaching": Entry("CoTeaching", "Co-teaching"),
    "mentornet": Entry("MentorNet", "MentorNet"),
    "d2l": Entry("D2L", "D2L"),
    "incv": Entry("ModifiedCoTeaching", "INCV"),
}
OPTIONS = {                                     # flag <method>_<option>: its choices, the default first; its help
    "f_correction_T": (("estimated", "true"), "F-correction's noise matrix: estimated, or that of the noise given"),
    "mentornet_curriculum": (("self_paced", "pd"), "MentorNet's predefined curriculum"),
}


def method_class(name):
    """A method's class, a subclass of methods.base.Method. Raises KeyError for an unknown name."""
    return getattr(import_module(f"noisylabels.methods.{name}"), METHODS[name].class_name)


def title_of(method):
    """What tables and figures call a method; one that has no line in METHODS by the name of its file."""
    return METHODS[method].title if method in METHODS else method


def options_of(method, flags):
    """A method's own options among all flags, {option: value}. flags: {flag: value}."""
    prefix = f"{method}_"
    return {flag.removeprefix(prefix): value for flag, value in flags.items() if flag.startswith(prefix)}
