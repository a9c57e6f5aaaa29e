"""Like with like: which runs may be averaged, and in what the others differ.

Runs are averaged over seeds only where their records agree in everything else. What a group differs in is said in the
words of its recipe: "6 epochs" is a run of 6 epochs where its recipe has others.
"""
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from noisylabels.methods import OPTIONS, options_of
from noisylabels.recipes import RECIPES, RECORD_DEFAULTS, resolve
from noisylabels.runs.folders import RunFolder
from noisylabels.runs.record import read_record
from noisylabels.theory import told

WORDS = {"epochs": "{} epochs", "architecture": "{}", "optimizer": "{}", "learning_rate": "rate {:g}",
         "weight_decay": "weight decay {:g}", "batch_size": "batch {}", "augmentation": "augmentation {}",
         "precision": "{}", "INCV_iter": "{} iterations", "top_k": "top {}", "validation_split": "{:g} held out",
         "evaluate_every": "evaluated every {}"}
SELECTION = {"INCV_iter": 4, "top_k": 1}        # of any recipe
LIMITS = {"digits": (False, False)}              # may_be_mirrored, may_be_shifted of named data sets, if not both
OF_ONE_SEED = ("dataset", "noise_pattern", "noise_ratio", "seed", "data", "digest", "LP", "LR")   # of a selection


class Usual(NamedTuple):
    """The recipe and the data of most runs, which rows need not name."""

    recipe: str
    data: str | None = None


def identity_of(run: RunFolder, name: str, otherwise: dict) -> dict:
    """Return everything that must agree for a run to be averaged with others.

    Parameters
    ----------
    run : RunFolder
        Where the run is.
    name : str
        The run's record is `<name>.json`.
    otherwise : dict
        What is known without a record.

    Returns
    -------
    dict
        Plain values. The seed and the digest of the selection are left out, since they differ between seeds. A run on
        unknown data keeps its seed: it is alone.
    """
    record = read_record(run.folder / f"{name}.json")
    found = RECORD_DEFAULTS | record["arguments"] if record else {**otherwise}
    found.pop("seed", None)
    if found.get("data") is None:
        found |= {"data": None, "seed": run.seed}
    if found.get("decisions"):                  # a digest of those on this seed's labels
        found["decisions"] = True
    selection = found.get("selection")
    if isinstance(selection, str):              # of runs of before, the digest alone: its record lies beside
        beside = read_record(run.folder / "INCV.json")
        selection = beside["arguments"] if beside else {}
    if selection is not None:
        made = {name: value for name, value in selection.items() if name not in OF_ONE_SEED}
        found["selection"] = RECORD_DEFAULTS | made if made else {}
    found["name"] = run.name if run.name != found.get("recipe") else None
    return found


def rows_of_records(run):
    """A flat row for each record in a run folder: what it is, what came out, and with what it was computed."""
    rows = []
    for path in sorted(run.folder.glob("*.json")):
        record = read_record(path)
        if record:
            arguments = {**record["arguments"]}
            selection = arguments.pop("selection", None)
            selection = {"digest": selection} if isinstance(selection, str) else selection or {}
            last = record["sessions"][-1] if record["sessions"] else {}
            rows.append({
                **run.noise._asdict(), "name": run.name, "seed": run.seed, "run": path.stem,
                "finished": record["finished"], **(record.get("results") or {}), **arguments,
                **{f"selection_{name}": value for name, value in selection.items()},
                "seconds": sum(session.get("seconds") or 0 for session in record["sessions"]),
                "git": last.get("git"), "python": last.get("python"), **last.get("versions", {}),
                **last.get("hardware", {})})
    return rows


def grouped(identities):
    """Runs by what they are: a list of (identity, [run, ...]). identities: {run: identity}."""
    groups = []
    for run, identity in identities.items():
        for known, runs in groups:
            if known == identity:
                runs.append(run)
                break
        else:
            groups.append((identity, [run]))
    return groups


def usual_of(identities: Iterable[dict]) -> Usual:
    """Return the Usual of these runs; the recipe is "unknown" where no run has one."""
    identities = list(identities)
    recipes, data = (Counter(identity[name] for identity in identities if identity.get(name)).most_common(1)
                     for name in ("recipe", "data"))
    return Usual(recipes[0][0] if recipes else "unknown", data[0][0] if data else None)


def labelled(identities: dict, task: str, usual: Usual) -> list:
    """Runs that may be averaged, a list of (in what they differ from the recipe, [run, ...]), each of words of its own.

    Where `differences` has the same words for two groups, the later one also says in what it is not the earlier.
    """
    found, known = [], {}
    for identity, runs in grouped(identities):
        words = differences(identity, task, usual)
        while words in known:
            other = known[words]
            more = [f"{name} {identity.get(name)}" for name in sorted({*identity, *other})
                    if identity.get(name) != other.get(name)]
            words = ", ".join([words] * bool(words) + more)
        known[words] = identity
        found.append((words, runs))
    return found


def differences(identity: dict, task: str, usual: Usual) -> str:
    """Say in what runs differ from the usual recipe and data; "" where in nothing. task: one of a recipe's."""
    recipe = usual.recipe
    found = [identity["name"]] if identity.get("name") else []
    own, limits = identity.get("recipe") or recipe, LIMITS.get(identity.get("dataset"), (True, True))
    allowed = [identity.get(name, limit) for name, limit in zip(("may_be_mirrored", "may_be_shifted"), limits)]
    found += [own] * (own != recipe) + _settings(identity, own, task, allowed)
    found += ["reviewed"] * bool(identity.get("decisions"))
    if "dataset" not in identity:
        found.append("no record")
    elif identity["data"] is None:
        found.append("unknown data")
    elif identity["data"] != usual.data:
        found.append(f"data {identity['data']}")
    assumed = told(identity.get("noise_pattern"))
    if identity.get("assumed_pattern", assumed) != assumed:
        found.append(f"told {identity['assumed_pattern']}")
    for name, option in options_of(identity.get("method"), OPTIONS).items():
        value = identity.get(f"{identity['method']}_{name}", option.default and "unknown")     # none was given before
        found += [f"{name} {value}"] * (value != option.default)
    selection = identity.get("selection")
    if selection == {}:
        found.append("unknown selection")
    elif selection:
        theirs = selection.get("recipe", own)
        made = [theirs] * (theirs != own) + _settings(selection, theirs, "INCV", allowed)
        found += [f"selection: {', '.join(made)}"] * bool(made)
    return ", ".join(found)


def _settings(identity, recipe, task, allowed):
    """Where the settings in an identity are not those of the recipe, in words. allowed: as for recipes.resolve, two."""
    if recipe not in RECIPES:
        return []
    usual = resolve(recipe, task, *allowed, identity.get("samples")).values | SELECTION
    given = {name: identity.get(name) for name in ("augmentation", "optimizer")}
    follows = resolve(recipe, task, *allowed, identity.get("samples"), **given).values
    usual |= {name: follows[name] for name in ("mirror", "learning_rate")}
    found = [name for name in usual if name in identity and identity[name] != usual[name]]
    words = [WORDS.get(name, f"{name} {{}}").format(identity[name]) for name in found]
    return [word.removesuffix("s") if word.startswith("1 ") else word for word in words]
