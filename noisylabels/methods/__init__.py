"""The methods of the paper's table, in its order. A new one is a file in this folder and a line here."""
from importlib import import_module
from typing import NamedTuple


class Entry(NamedTuple):
    """Where a method is, its class in the file of its name; what tables call it; what it costs."""

    class_name: str
    title: str
    cost: float = 1.            # time of an epoch, in epochs of Standard


METHODS = {
    "standard": Entry("Standard", "Standard"),
    "f_correction": Entry("FCorrection", "F-correction"),
    "decoupling": Entry("Decoupling", "Decoupling", 2.),
    "co_teaching": Entry("CoTeaching", "Co-teaching", 2.7),
    "mentornet": Entry("MentorNet", "MentorNet"),
    "d2l": Entry("D2L", "D2L"),
    "incv": Entry("ModifiedCoTeaching", "INCV", 1.5),
}
OPTIONS = {                                     # flag <method>_<option>: its choices, the default first; its help
    "f_correction_T": (("estimated", "true"), "F-correction's noise matrix: estimated, or that of the noise given"),
    "co_teaching_variant": (("harness", "2018"), "Co-teaching with the settings of all methods, or those of 2018"),
    "mentornet_curriculum": (("self_paced", "pd"), "MentorNet's predefined curriculum"),
    "mentornet_burn_in": (("18", "0"), "per cent of the training in which self_paced keeps all samples"),
    "mentornet_percentile": (("0.75", "0.5"), "of the losses, for pd: its authors have 0.5 for a noise ratio of 0.8"),
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
