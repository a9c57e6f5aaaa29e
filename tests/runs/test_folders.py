"""The layout of a results folder: from a run to its path, and back."""

import pytest

from noisylabels.noise import Noise
from noisylabels.runs.folders import find_runs, run_at, run_folder

PATHS = {
    "digits/sym/0.5": ("digits", Noise("sym", 0.5), 0, None),
    "cifar10/asym/1.0/seed3": ("cifar10", Noise("asym", 1), 3, None),
    "digits/sym/0.00005": ("digits", Noise("sym", 0.00005), 0, None),
    "digits/sym/0.0/fast": ("digits", Noise("sym", 0), 0, "fast"),
    "digits/sym/0.25/fast/seed12": ("digits", Noise("sym", 0.25), 12, "fast"),
    "digits/asym/0.4/my-run_2.1": ("digits", Noise("asym", 0.4), 0, "my-run_2.1"),
    "digits/asym/0.4/seeds/seed1": ("digits", Noise("asym", 0.4), 1, "seeds"),
    "digits/asym/0.4/seed3x": ("digits", Noise("asym", 0.4), 0, "seed3x"),
    "digits/asym/0.4/checkpoints2": ("digits", Noise("asym", 0.4), 0, "checkpoints2"),
}
NONE = [
    "digits/sym/0.5/checkpoints",
    "digits/sym/0.5/INCV_checkpoints",
    "digits/sym/0.5/fast/INCV_checkpoints",
    "digits/sym/0.5/seed0",
    "digits/sym/0.5/seed01",
    "digits/sym/0.5/seedx/seedy",
    "digits/sym/0.5/.hidden",
    "digits/sym/0.5/a/b",
    "digits/sym/0.5/seed1/fast",
    "digits/sym/2.5",
    "digits/sym/old",
    "digits/pair/0.5",
    "digits/sym/.5",
    "digits/sym/0.5/seed1/seed2",
    "digits/sym/-0.5",
]


@pytest.mark.parametrize("path", PATHS)
def test_path_identifies_the_run(path, tmp_path):
    dataset, noise, seed, name = PATHS[path]
    assert run_folder("results", dataset, noise, seed, name).as_posix() == f"results/{path}"
    assert run_at(tmp_path / path) == (dataset, noise, name, seed, tmp_path / path)


@pytest.mark.parametrize("path", NONE)
def test_other_paths_are_not_runs(path, tmp_path):
    with pytest.raises(ValueError, match="not a run folder"):
        run_at(tmp_path / path)


def test_all_runs_of_a_data_set_are_found(tmp_path):
    """Sort by pattern, ratio, name and seed; other data sets may be in subfolders."""
    for path in [
        *PATHS,
        *NONE,
        "digits/given",
        "digits/given/fast/seed1",
        "digits/old/sym/0.25",
        "digits/a/sym/0.25",
    ]:
        (tmp_path / path).mkdir(parents=True, exist_ok=True)
    (tmp_path / "digits/sym/0.75").write_text("")
    runs = find_runs(tmp_path, "digits")
    assert [
        run.folder.relative_to(tmp_path / "digits").as_posix()
        for run in runs
        if run.noise.ratio != 0.5
    ] == [
        "sym/0.0",
        "sym/0.0/fast",
        "sym/0.00005",
        "sym/0.25",
        "sym/0.25/fast",
        "sym/0.25/fast/seed12",
        "asym/0.4",
        "asym/0.4/checkpoints2",
        "asym/0.4/my-run_2.1",
        "asym/0.4/seed3x",
        "asym/0.4/seeds",
        "asym/0.4/seeds/seed1",
        "given",
        "given/fast",
        "given/fast/seed1",
    ]
    assert [(run.name, run.seed) for run in runs if run.noise.ratio == 0.5] == [
        (None, 0),
        (None, 1),
        ("a", 0),
        ("fast", 0),
        ("seedx", 0),
    ]
    assert [run.folder.name for run in find_runs(tmp_path, "cifar10")] == ["1.0", "seed3"]
    assert find_runs(tmp_path, "cifar100") == []


@pytest.mark.parametrize(
    "name, title", [(None, "digits, sym 0.5, seed 2"), ("fast", "digits, sym 0.5, fast, seed 2")]
)
def test_titles_name_the_run(name, title, tmp_path):
    assert run_at(run_folder(tmp_path, "digits", Noise("sym", 0.5), 2, name)).title == title
