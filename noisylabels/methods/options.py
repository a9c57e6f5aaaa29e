"""Flags of single methods. Their names are <method>_<option>."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class MethodOption(NamedTuple):
    """A flag of one method: a choice, or a number if it has bounds."""

    choices: tuple[Any, ...]  # the default, then the other choices
    help: str
    bounds: tuple[float, float] | None = None  # lowest and highest number

    @property
    def default(self) -> Any:
        """Return the default value. None means that the method chooses it."""
        return self.choices[0]


OPTIONS = {
    "f_correction_T": MethodOption(
        ("estimated", "true"), "noise transition matrix: estimated by the method, or the true one"
    ),
    "co_teaching_variant": MethodOption(
        ("harness", "2018"),
        "training settings: harness, those of all methods, or 2018, those of the authors' code",
    ),
    "co_teaching_noise_ratio": MethodOption(
        (None,), "noise ratio that Co-teaching assumes; by default the true one", (0, 1)
    ),
    "mentornet_curriculum": MethodOption(
        ("self_paced", "pd"), "curriculum: self-paced, or pd, the authors' predefined one"
    ),
    "mentornet_burn_in": MethodOption(
        ("18", "0"), "percentage of the training in which self_paced keeps all samples"
    ),
    "mentornet_percentile": MethodOption(
        ("0.75", "0.5"),
        "percentile of the losses for pd; the authors use 0.5 at a noise ratio of 0.8",
    ),
    "gce_q": MethodOption(
        (0.7,), "exponent q, from 0.01 (near cross entropy) to 1 (absolute error)", (0.01, 1)
    ),
    "sce_alpha": MethodOption((0.1,), "weight of the cross entropy", (0, 1e6)),
    "sce_beta": MethodOption((1.0,), "weight of the reverse cross entropy", (0, 1e6)),
    "sce_A": MethodOption(
        (None,),
        "value of log 0; by default log 1e-4 = -9.21, as in the authors' code; their paper has -4",
        (-1e6, 0),
    ),
    "elr_beta": MethodOption(
        (None,),
        "momentum of the targets; by default 0.7 if sym noise is assumed, else 0.9; the authors "
        "use 0.9 for CIFAR-100",
        (0, 1),
    ),
    "elr_lambda": MethodOption(
        (None,),
        "weight of the regularisation; by default 3 if sym noise is assumed, else 1; the authors "
        "use 7 for CIFAR-100",
        (0, 1e6),
    ),
}


def options_of(method: str, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags of one method, {option: value}, from those of all methods."""
    prefix = f"{method}_"
    return {
        flag.removeprefix(prefix): value for flag, value in flags.items() if flag.startswith(prefix)
    }
