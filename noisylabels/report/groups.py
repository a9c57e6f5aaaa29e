"""Decide which runs may be averaged, and describe how the others differ.

Runs are averaged over seeds only if their records agree in everything else. A group is described by
its differences from the recipe: "6 epochs" if the recipe has another number of epochs.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from noisylabels.data.dataset import TEST_SPLIT
from noisylabels.methods import OPTIONS, options_of
from noisylabels.noise import default_assumed_pattern
from noisylabels.recipes import (
    OPTIMIZERS,
    RECIPES,
    RECORD_DEFAULTS,
    SELECTION_DEFAULTS,
    resolve,
)
from noisylabels.report.read import warn
from noisylabels.runs.comparison import computed_in
from noisylabels.runs.folders import RunFolder
from noisylabels.runs.record import read_record

WORDS = {
    "epochs": "{} epochs",
    "architecture": "{}",
    "optimizer": "{}",
    "learning_rate": "rate {:g}",
    "weight_decay": "weight decay {:g}",
    "batch_size": "batch {}",
    "augmentation": "augmentation {}",
    "precision": "{}",
    "INCV_iter": "{} iterations",
    "top_k": "top {}",
    "validation_split": "{:g} held out",
    "evaluate_every": "evaluated every {}",
}
# may_be_mirrored and may_be_shifted of built-in data sets, unless both are True
LIMITS = {"digits": (False, False)}
OF_ONE_SEED = (
    "dataset",
    "noise_pattern",
    "noise_ratio",
    "seed",
    "data",
    "digest",
    "LP",
    "LR",
)  # of a selection


class CommonSettings(NamedTuple):
    """Settings that most runs of a data set share, so that rows need not name them."""

    recipe: str
    data: str | None = None
    unnamed: frozenset = frozenset()  # recipes of runs in a folder without a name
    computed_in: dict = {}  # {precision: number format}


def identity_of(run: RunFolder, name: str, otherwise: dict) -> dict:
    """Return everything that must agree for a run to be averaged with others.

    Parameters
    ----------
    run : RunFolder
        Where the run is.
    name : str
        The run's record is `<name>.json`.
    otherwise : dict
        The known settings of a run without a record.

    Returns
    -------
    dict
        Plain values, and the seed, which must differ. The digest of a selection is left out if its
        settings are recorded, or if the user named the run.
    """
    path = run.folder / f"{name}.json"
    record = read_record(path)
    if record is None and path.exists():
        warn(f"{path}: left out, it is not the record of a run")
    found = RECORD_DEFAULTS | record["arguments"] if record else {**otherwise}
    found = {
        "data": None,
        "seed": run.seed,
        **found,
        "name": run.name,
        "computed_in": record and computed_in(record),
    }
    found.pop("teacher", None)  # digests of networks of this seed
    named = run.name not in (None, found.get("recipe"))
    selection = found.get("selection")
    if isinstance(selection, str):  # older records have the digest alone
        made_by = read_record(run.folder / "INCV.json")
        settings = {}
        if made_by:
            settings = made_by["arguments"] | {"computed_in": computed_in(made_by)}
        selection = {"digest": selection} | settings
    if selection is not None:
        made = {name: value for name, value in selection.items() if name not in OF_ONE_SEED}
        if made.get("precision") == "float32":
            made.setdefault("computed_in", "float32")  # older records of trainings lack it
        alone = {} if named or not selection else {"digest": selection.get("digest")}
        found["selection"] = RECORD_DEFAULTS | made if made else alone
    return found


def rows_of_records(run: RunFolder) -> list[dict[str, Any]]:
    """Return one flat row per record in a run folder: settings, results and environment."""
    rows = []
    for path in sorted(run.folder.glob("*.json")):
        record = read_record(path)
        if record:
            arguments = {**record["arguments"]}
            selection = arguments.pop("selection", None)
            selection = {"digest": selection} if isinstance(selection, str) else selection or {}
            last = record["sessions"][-1] if record["sessions"] else {}
            rows.append(
                {
                    **run.noise._asdict(),
                    "name": run.name,
                    "seed": run.seed,
                    "run": path.stem,
                    "finished": record["finished"],
                    **(record.get("results") or {}),
                    **arguments,
                    **{f"selection_{name}": value for name, value in selection.items()},
                    "seconds": sum(session.get("seconds") or 0 for session in record["sessions"]),
                    "git": last.get("git"),
                    "python": last.get("python"),
                    **last.get("versions", {}),
                    **last.get("hardware", {}),
                }
            )
    return rows


def grouped(identities: dict) -> list:
    """Group runs of one identity: a list of (identity of the first run, [run, ...]).

    A seed counts once per group. Runs on unknown data form groups of one run. identities:
    {run: identity}.
    """
    groups = []
    for run, identity in identities.items():
        for known, seeds, runs in groups:
            same = (
                known | {"seed": None} == identity | {"seed": None} and identity["data"] is not None
            )
            if same and identity["seed"] not in seeds:
                seeds.add(identity["seed"])
                runs.append(run)
                break
        else:
            groups.append((identity, {identity["seed"]}, [run]))
    return [(identity, runs) for identity, _, runs in groups]


def common_settings(identities: Iterable[dict]) -> CommonSettings:
    """Return the settings that most runs share; the recipe is "unknown" if no run has one."""
    identities = list(identities)
    recipes, data = (
        Counter(identity[name] for identity in identities if identity.get(name)).most_common(1)
        for name in ("recipe", "data")
    )
    unnamed = frozenset(
        identity.get("recipe") for identity in identities if identity.get("name") is None
    )
    parts = [
        part for identity in identities for part in (identity, identity.get("selection") or {})
    ]
    formats = Counter(
        (part.get("precision"), part["computed_in"]) for part in parts if part.get("computed_in")
    )
    return CommonSettings(
        recipes[0][0] if recipes else "unknown",
        data[0][0] if data else None,
        unnamed,
        {
            precision: number_format
            for (precision, number_format), _ in reversed(formats.most_common())
        },
    )


def labelled_groups(identities: dict, task: str, common: CommonSettings) -> list:
    """Group runs that may be averaged: a list of (difference from the recipe in words, [run, ...]).

    The words of each group are unique. If `differences` has the same words for two groups, the
    later one also names its distinctions from the earlier one.
    """
    found, known = [], {}
    for identity, runs in grouped(identities):
        words = differences(identity, task, common)
        while words in known:
            other = known[words]
            words = ", ".join(filter(None, [words, *_distinctions(identity, other)]))
        known[words] = identity
        found.append((words, runs))
    return found


def _distinctions(identity: dict, other: dict) -> list:
    """List the keys and values in which an identity differs from another one, else the seed."""

    def flat(identity: dict) -> dict[str, Any]:
        selection = {
            f"selection {name}": value for name, value in (identity.get("selection") or {}).items()
        }
        return {
            name: value for name, value in identity.items() if name not in ("seed", "selection")
        } | selection

    one, two = flat(identity), flat(other)
    found = [
        f"{name} {one.get(name)}" for name in sorted({*one, *two}) if one.get(name) != two.get(name)
    ]
    if found:
        return found
    seed = f"seed {identity['seed']}"
    return [seed] if identity["data"] is None else [f"{seed} again"]


def differences(identity: dict, task: str, common: CommonSettings) -> str:
    """Describe how runs differ from the common recipe and data; "" if they do not.

    `task` is a task of the recipe.
    """
    recipe = common.recipe
    found, name = [], identity.get("name")
    if name and name != identity.get("recipe"):
        found.append(name)
    elif name and name in common.unnamed:
        found.append(f"named {name}")
    own = identity.get("recipe") or recipe
    limits = LIMITS.get(identity.get("dataset"), (True, True))
    allowed = [
        identity.get(name, limit)
        for name, limit in zip(("may_be_mirrored", "may_be_shifted"), limits)
    ]
    if own != recipe:
        found.append(own)
    found += _settings(identity, own, task, allowed) + _number_format(identity, common)
    if identity.get("decisions"):
        found.append("reviewed")
    if identity.get("test_split", TEST_SPLIT) != TEST_SPLIT:
        found.append(f"test split {identity['test_split']:g}")
    if "dataset" not in identity:
        found.append("no record")
    elif identity["data"] is None:
        found.append("unknown data")
    elif identity["data"] != common.data:
        found.append(f"data {identity['data']}")
    assumed = default_assumed_pattern(identity.get("noise_pattern"))
    if identity.get("assumed_pattern", assumed) != assumed:
        found.append(f"assumes {identity['assumed_pattern']}")
    for name, option in options_of(identity.get("method"), OPTIONS).items():
        # Older records lack options without a default.
        value = identity.get(f"{identity['method']}_{name}", option.default and "unknown")
        if value != option.default:
            found.append(f"{name} {value}")
    selection = identity.get("selection")
    if selection is not None and {*selection} <= {"digest"}:
        found.append("unknown selection")
    elif selection:
        selection_recipe = selection.get("recipe", own)
        made = _settings(selection, selection_recipe, "INCV", allowed)
        if selection_recipe != own:
            made = [selection_recipe, *made]
        made += _number_format(selection, common)
        if made:
            found.append(f"selection: {', '.join(made)}")
    return ", ".join(found)


def _number_format(identity: dict, common: CommonSettings) -> list:
    """List the number format of a run, unless most runs of its precision share it."""
    found = identity.get("computed_in")
    return [found] if found not in (None, common.computed_in.get(identity.get("precision"))) else []


def _settings(identity: dict, recipe: str, task: str, allowed: list[bool]) -> list[str]:
    """Return in words the settings that differ from the recipe; `allowed`: flips and shifts."""
    if recipe not in RECIPES:
        return []
    values = resolve(recipe, task, *allowed, identity.get("samples")).values | SELECTION_DEFAULTS
    given = {name: identity.get(name) for name in ("architecture", "augmentation", "optimizer")}
    if given["optimizer"] not in OPTIMIZERS:  # an old record
        del given["optimizer"]
    follows = resolve(recipe, task, *allowed, identity.get("samples"), **given).values
    values |= {
        name: follows[name] for name in ("mirror", "shift_tta", "learning_rate", "accumulate")
    }
    found = [name for name in values if name in identity and identity[name] != values[name]]
    words = [WORDS.get(name, f"{name} {{}}").format(identity[name]) for name in found]
    return [word.removesuffix("s") if word.startswith("1 ") else word for word in words]
