"""Which runs are averaged over seeds: equal identity, each seed once."""

import json

import pandas as pd
import pytest
from records import INCV, write_run, write_selection, write_verify

from noisylabels.errors import UserError
from noisylabels.report import aggregate, draw
from noisylabels.runs.run import Run

pytestmark = [pytest.mark.runs, pytest.mark.usefixtures("without_figures")]


def rows(tmp_path):
    draw.summary(tmp_path, "digits")
    table = pd.read_csv(tmp_path / "digits/table.csv", keep_default_na=False)
    return [(row.differs, str(row.seeds), float(row.final_mean)) for row in table.itertuples()]


def test_runs_on_other_data_have_separate_rows(tmp_path):
    folder = tmp_path / "digits/sym/0.5"
    for seed, data in enumerate(["a", "b", "b", "a", "b"]):
        write_run(
            folder / f"seed{seed}" if seed else folder, "standard", seed / 10, seed=seed, data=data
        )
    assert rows(tmp_path) == [
        ("data a", "0 3", pytest.approx(0.15)),
        ("", "1 2 4", pytest.approx(0.7 / 3)),
    ]


@pytest.mark.parametrize("data", [{"data": None}, {}])
def test_runs_on_unknown_data_are_never_averaged(data, tmp_path):
    folder = tmp_path / "digits/sym/0.5"
    write_run(folder, "standard", 0.5)
    for seed in (1, 2):
        write_run(folder / f"seed{seed}", "standard", seed / 10, seed=seed, data=None)
        record = json.loads((folder / f"seed{seed}/standard_training.json").read_text())
        record["arguments"] = {
            name: value for name, value in record["arguments"].items() if name != "data"
        } | data
        (folder / f"seed{seed}/standard_training.json").write_text(json.dumps(record))
    assert rows(tmp_path) == [
        ("", "0", 0.5),
        ("unknown data", "1", 0.1),
        ("unknown data, seed 2", "2", 0.2),
    ]


def test_selections_on_other_data_have_separate_lines(tmp_path):
    folder = tmp_path / "digits/sym/0.5"
    for seed, data in enumerate(["a", "a", "b", None, None]):
        write_selection(
            folder / f"seed{seed}" if seed else folder, [0.5, 0.6], [0.5, 0.6], seed=seed, data=data
        )
    found = aggregate.summarise(tmp_path, "digits").selections
    assert [
        (differs, scores["LP"]["count"].tolist()) for (_, differs), scores in found.items()
    ] == [
        ("", [2, 2]),
        ("data b", [1, 1]),
        ("unknown data", [1, 1]),
        ("unknown data, seed 4", [1, 1]),
    ]


def test_theory_distances_are_averaged_over_known_data(tmp_path):
    for ratio, data in ((0.1, "a"), (0.2, "a"), (0.3, None), (0.4, None), (0.5, "b")):
        write_verify(tmp_path / f"digits/sym/{ratio}", "sym", ratio, data=data)
    draw.verify_figures(tmp_path, "digits")
    text = (tmp_path / "digits/Verify_Theory.md").read_text(encoding="utf-8")
    found = [line.split(" | ")[0] for line in text.splitlines() if "mean distance" in line]
    assert found == ["| mean distance, sym", "| mean distance, sym, data b"]
    assert "| sym 0.3, unknown data | 0 |" in text


@pytest.mark.parametrize(
    "copy, seed, differs",
    [
        ("digits", 0, "named digits"),
        ("digits/seed1", 1, "named digits"),
        ("seed7", 1, "seed 1 again"),
        ("../0.50", 0, "seed 0 again"),
    ],
)
def test_seed_counts_once_in_any_folder(copy, seed, differs, tmp_path):
    """Use a recipe's name as name, a copied folder, and another spelling of the ratio."""
    folder = tmp_path / "digits/sym/0.5"
    write_run(folder, "standard", 0.1)
    write_run(folder / "seed1", "standard", 0.2, seed=1)
    write_run(folder / copy, "standard", 0.3, seed=seed)
    assert [(differs, mean) for differs, _, mean in rows(tmp_path)] == [
        ("", pytest.approx(0.15)),
        (differs, 0.3),
    ]


@pytest.mark.parametrize(
    "name, expected",
    [
        (
            "",
            [
                ("unknown selection", "0 1", 0.15),
                ("unknown selection, selection digest b", "2", 0.3),
            ],
        ),
        ("oracle/", [("oracle, unknown selection", "0 1 2", 0.2)]),
    ],
)
def test_foreign_selections_differ_by_content_or_name(name, expected, tmp_path):
    """Average seeds of equal content, or of one name."""
    for seed, digest in enumerate(["a", "a", "b"]):
        folder = tmp_path / f"digits/sym/0.5/{name}" / (f"seed{seed}" if seed else "")
        write_run(
            folder,
            "incv",
            (1 + seed) / 10,
            seed=seed,
            selection={"digest": digest, "LP": 0.9, "LR": 0.9},
        )
    assert rows(tmp_path) == [(*words, pytest.approx(mean)) for *words, mean in expected]


def test_runs_with_other_decisions_are_not_averaged(tmp_path):
    folder = tmp_path / "digits/sym/0.5"
    for seed, decisions in enumerate(["a", "b", "a"]):
        write_run(
            folder / f"seed{seed}" if seed else folder,
            "incv",
            seed / 10,
            seed=seed,
            decisions=decisions,
            selection={"digest": str(seed), **INCV},
        )
    assert rows(tmp_path) == [("reviewed", "0 2", 0.1), ("reviewed, decisions b", "1", 0.1)]


def test_students_are_averaged_over_seeds(tmp_path):
    folder = tmp_path / "digits/sym/0.5"
    for seed in (0, 1):
        write_run(
            folder / f"seed{seed}" if seed else folder,
            "incv_student",
            0.5,
            seed=seed,
            teacher=str(seed),
            selection={"digest": str(seed), **INCV},
        )
    assert rows(tmp_path) == [("", "0 1", 0.5)]


def hardware(path, **changes):
    """Change the hardware in the last session of a record."""
    record = json.loads(path.read_text())
    record["sessions"][-1]["hardware"] = {"threads": 1, **changes}
    path.write_text(json.dumps(record))


NEW = [{"device": "CPU", "computed_in": found} for found in ("bfloat16", "float32", "bfloat16")]
OLD = [{"device": found} for found in ("CPU with bfloat16", "CPU", "CPU with bfloat16")]


@pytest.mark.parametrize("machines", [NEW, OLD])
def test_runs_of_other_number_formats_are_not_averaged(machines, tmp_path):
    for seed, machine in enumerate(machines):
        folder = tmp_path / "digits/sym/0.5" / (f"seed{seed}" if seed else "")
        write_run(folder, "standard", seed / 10, seed=seed, precision="mixed")
        hardware(folder / "standard_training.json", **machine)
    assert rows(tmp_path) == [("mixed", "0 2", 0.1), ("mixed, float32", "1", 0.1)]


@pytest.mark.parametrize("machines", [NEW, OLD])
def test_selections_of_other_formats_are_not_averaged(machines, tmp_path):
    for seed, machine in enumerate(machines):
        folder = tmp_path / "digits/sym/0.5" / (f"seed{seed}" if seed else "")
        write_selection(folder, [0.5, 0.6], [0.5, 0.6], seed=seed, precision="mixed")
        hardware(folder / "INCV.json", **machine)
    found = aggregate.summarise(tmp_path, "digits").selections
    assert [
        (differs, scores["LP"]["count"].tolist()) for (_, differs), scores in found.items()
    ] == [("mixed", [2, 2]), ("mixed, float32", [1, 1])]


def test_trainings_on_other_formats_are_not_averaged(tmp_path):
    for seed, found in enumerate(["bfloat16", "bfloat16", "float32"]):
        selection = {"digest": str(seed), **INCV, "precision": "mixed", "computed_in": found}
        write_run(
            tmp_path / "digits/sym/0.5" / (f"seed{seed}" if seed else ""),
            "incv",
            seed / 10,
            seed=seed,
            selection=selection,
        )
    assert [(differs, seeds) for differs, seeds, _ in rows(tmp_path)] == [
        ("selection: mixed", "0 1"),
        ("selection: mixed, float32", "2"),
    ]


@pytest.mark.parametrize(
    "before, now, refused",
    [
        ({"computed_in": "bfloat16"}, "float32", True),
        ({"computed_in": "float32"}, "bfloat16", True),
        ({"device": "CPU with bfloat16"}, "float32", True),
        ({"computed_in": "float32"}, "float32", False),
        ({"device": "CPU with bfloat16"}, "bfloat16", False),
        ({}, "float32", False),
    ],
)
def test_run_is_not_resumed_in_another_number_format(before, now, refused, tmp_path):
    """Without a checkpoint nothing is mixed; overwriting begins again."""

    def begin(overwrite=False):
        run = Run(tmp_path, "INCV", {"precision": "mixed"}, overwrite)
        with run.session(lambda: {"computed_in": now}):
            return len(run.record["sessions"]), [path.name for path in run.checkpoints.glob("*")]

    run = Run(tmp_path, "INCV", {"precision": "mixed"})
    with run.session(lambda: before):
        pass
    hardware(run.record_path, **before)
    run.checkpoint("1a").touch()
    if refused:
        with pytest.raises(
            UserError,
            match=f"INCV.json began in .*, but this machine computes in {now}: continue "
            "it on .* give another --name or --results_dir, or --overwrite$",
        ):
            begin()
        assert begin(overwrite=True) == (1, [])
        hardware(run.record_path, **before)
    assert begin() == (2, [] if refused else ["1a.npz"])


@pytest.mark.parametrize(
    "data, line",
    [
        ("a", "Recipe: digits in A, digits in B, unless"),
        ("b", "Recipe: digits on data a in A, digits on data b in B, unless"),
    ],
)
def test_comparison_names_differing_data(data, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "A/digits/sym/0.5", "standard", 0.1)
    write_run(tmp_path / "B/digits/sym/0.5", "standard", 0.2, data=data)
    draw.compare(["A", "B"], "digits")
    assert line in (tmp_path / "A/digits/compared.md").read_text(encoding="utf-8")
