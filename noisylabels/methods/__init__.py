"""The methods of the paper's table, in its order, and others. A new one is a file in this folder and a line here."""
from importlib import import_module
from typing import NamedTuple


class Entry(NamedTuple):
    """Where a method is, its class in the file of its name; what tables call it; what it costs."""

    class_name: str
    title: str
    cost: float = 1.            # time of an epoch, in epochs of Standard


class Option(NamedTuple):
    """A flag <method>_<option>: its choices, the default first, or a number, with its default alone; its help."""

    choices: tuple
    help: str
    bounds: tuple | None = None     # of a number; with a default of None the method has its own

    @property
    def default(self):
        return self.choices[0]


METHODS = {
    "standard": Entry("Standard", "Standard"),
    "f_correction": Entry("FCorrection", "F-correction"),
    "decoupling": Entry("Decoupling", "Decoupling", 2.),
    "co_teaching": Entry("CoTeaching", "Co-teaching", 2.7),
    "mentornet": Entry("MentorNet", "MentorNet"),
    "d2l": Entry("D2L", "D2L"),
    "incv": Entry("ModifiedCoTeaching", "INCV", 1.5),
}
PAPER = tuple(METHODS)
METHODS |= {
    "gce": Entry("GCE", "GCE"),
    "sce": Entry("SCE", "SCE"),
    "elr": Entry("ELR", "ELR"),
    "incv_student": Entry("Student", "INCV student"),
}
SELECTED = ("incv", "incv_student")             # those that train on INCV's selection
ASSUMING = (*SELECTED, "elr")                   # those that are told what is assumed of the noise
OPTIONS = {
    "f_correction_T": Option(("estimated", "true"),
                             "F-correction's noise matrix: estimated, or that of the noise given"),
    "co_teaching_variant": Option(("harness", "2018"),
                                  "Co-teaching with the settings of all methods, or those of 2018"),
    "co_teaching_noise_ratio": Option((None,), "what Co-teaching is told of it; by default the true one", (0, 1)),
    "mentornet_curriculum": Option(("self_paced", "pd"), "MentorNet's predefined curriculum"),
    "mentornet_burn_in": Option(("18", "0"), "per cent of the training in which self_paced keeps all samples"),
    "mentornet_percentile": Option(("0.75", "0.5"),
                                   "of the losses, for pd: its authors have 0.5 for a noise ratio of 0.8"),
    "gce_q": Option((.7,), "from 0, cross entropy, to 1, the absolute error", (.01, 1)),
    "sce_alpha": Option((.1,), "weight of the cross entropy", (0, 1e6)),
    "sce_beta": Option((1.,), "weight of the reverse cross entropy", (0, 1e6)),
    "sce_A": Option((None,), "what stands for log 0; by default log 1e-4 = -9.21 as in its authors' code, their paper "
                             "says -4", (-1e6, 0)),
    "elr_beta": Option((None,), "momentum of the targets; by default 0.7 where sym is assumed, else 0.9; "
                       "its authors have 0.9 for CIFAR-100", (0, 1)),
    "elr_lambda": Option((None,), "weight of the regularization; by default 3 where sym is assumed, else 1; "
                         "its authors have 7 for CIFAR-100", (0, 1e6)),
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
