"""The methods of the paper's table. A new one is a file in this folder and a line here."""
from importlib import import_module

METHODS = {                                     # name: class, in methods/<name>.py
    "incv": "ModifiedCoTeaching",
    "standard": "Standard",
    "f_correction": "FCorrection",
    "decoupling": "Decoupling",
    "co_teaching": "CoTeaching",
    "mentornet": "MentorNet",
    "d2l": "D2L",
}
OPTIONS = {                                     # flag <method>_<option>: its choices, the default first; its help
    "f_correction_T": (("estimated", "true"), "F-correction's noise matrix: estimated, or that of the noise given"),
    "mentornet_curriculum": (("self_paced", "pd"), "MentorNet's predefined curriculum"),
}


def method_class(name):
    """A method's class, a subclass of methods.base.Method. Raises KeyError for an unknown name."""
    return getattr(import_module(f"methods.{name}"), METHODS[name])


def options_of(method, args):
    """A method's own flags among parsed arguments, {flag: value}."""
    return {flag: getattr(args, flag) for flag in OPTIONS if flag.startswith(f"{method}_")}
