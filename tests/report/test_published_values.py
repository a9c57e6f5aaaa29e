"""Published values and the theory next to measured values in the tables."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from records import lines_of, write_run, write_selection, write_training, write_verify

from noisylabels.recipes import RECIPES
from noisylabels.report import draw

pytestmark = pytest.mark.usefixtures("without_figures")


def cifar10(**changes):
    """Return the record of a training of two epochs on CIFAR-10 with the paper's recipe."""
    return {
        "dataset": "cifar10",
        "recipe": "paper",
        **RECIPES["paper"]["main"].values,
        "epochs": 2,
        **changes,
    }


def test_published_values_are_next_to_methods_that_have_run(tmp_path):
    for pattern, ratio in [("asym", 0.4), ("sym", 0.3), ("sym", 0.8)]:
        write_run(tmp_path / f"cifar10/{pattern}/{ratio}", "d2l", 0.2, **cifar10())
    write_run(tmp_path / "cifar10/sym/0.3", "standard", 0.1, **cifar10())
    draw.summary(tmp_path, "cifar10")
    lines = lines_of(tmp_path / "cifar10/table.md")
    assert lines[-7:] == [
        "Published: mean ± standard deviation of five runs; the epoch is not stated.",
        "",
        "| method | sym 0.8 | sym 0.8, published | asym 0.4 | asym 0.4, published | sym 0.3 |",
        "|---|---:|---:|---:|---:|---:|",
        "| Standard, 2 epochs | – | – | – | – | 10.00 (1) |",
        "| D2L | – | 10.02 ± 0.04 | – | 85.57 ± 1.21 | – |",
        "| D2L, 2 epochs | 20.00 (1) | – | 20.00 (1) | – | 20.00 (1) |",
    ]
    table = pd.read_csv(tmp_path / "cifar10/table.csv")
    assert list(zip(table.pattern, table.ratio, strict=True)) == [
        ("sym", 0.8),
        ("asym", 0.4),
        ("sym", 0.3),
        ("sym", 0.3),
    ]
    np.testing.assert_allclose(table.published_mean, [0.1002, 0.8557, np.nan, np.nan])


@pytest.mark.parametrize(
    "changes", [{"image": "32×32×3", "data": "0" * 16}, {"dataset": "cifar100"}, None]
)
def test_no_published_values_for_other_images(changes, tmp_path):
    """Use custom images named cifar10, another data set, and runs without a record."""
    folder = tmp_path / "cifar10/sym/0.5"
    if changes:
        write_run(folder, "incv", 0.9, **cifar10(**changes))
        write_selection(folder, [0.9], [0.8], **cifar10(**changes))
        write_verify(folder, "sym", 0.5, **cifar10(**changes))
    else:
        write_training(folder, "incv", [0.9])
        write_selection(folder, [0.9], [0.8])
        write_verify(folder, "sym", 0.5)
    written = draw.everything(tmp_path, "cifar10")
    assert "published" not in "".join(
        path.read_text(encoding="utf-8").lower()
        for path in written
        if path.suffix in (".md", ".csv")
    )


def test_published_values_are_for_cifar10_alone(tmp_path):
    """Older versions also wrote custom results to this folder."""
    for name, more in (("", {}), ("own", {"image": "8×8×1"})):
        folder = tmp_path / "cifar10/sym/0.5" / name
        write_run(folder, "incv", 0.9, **cifar10(**more))
        write_selection(folder, [0.9], [0.8], **cifar10(**more))
        write_verify(folder, "sym", 0.5, **cifar10(**more))
    draw.everything(tmp_path, "cifar10")
    table = (
        pd.read_csv(tmp_path / "cifar10/table.csv", keep_default_na=False)
        .set_index("differs")
        .published_mean
    )
    assert table.loc["2 epochs"] == "0.8478" and table.loc["own, 2 epochs"] == ""
    for name, value in (("INCV.md", ".954"), ("Verify_Theory.md", ".464")):
        real, own = [
            line for line in lines_of(tmp_path / "cifar10" / name) if line.startswith("| sym 0.5")
        ]
        assert "own" in own and value in real and value not in own


def turn_into_cifar100(folder):
    """Turn the results on cifar10 in a folder into results on cifar100."""
    (folder / "cifar10").rename(folder / "cifar100")
    for path in folder.rglob("*.json"):
        path.write_text(path.read_text().replace('"cifar10"', '"cifar100"'))


def test_selections_are_next_to_published_values(tmp_path):
    """F = 2 LP LR / (LP + LR) of the means; seed 1 keeps its only iteration."""
    fast = {"dataset": "cifar10", "recipe": "fast", **RECIPES["fast"]["INCV"].values}
    write_selection(
        tmp_path / "cifar10/sym/0.5",
        [0.96, 0.94, 0.93, 0.92, 1],
        [0.6, 0.8, 0.85, 0.9, 0.9],
        **fast,
    )
    write_selection(tmp_path / "cifar10/sym/0.5/seed1", [0.98], [0.7], **fast)
    write_selection(tmp_path / "cifar10/sym/0.1", [0.99, np.nan], [0.8, 0], **fast | {"epochs": 6})
    write_selection(tmp_path / "cifar10/sym/0.9", [0], [0], **fast)
    write_selection(tmp_path / "cifar10/sym/1.0", [0], [np.nan], **fast)
    draw.summary(tmp_path, "cifar10")
    lines = lines_of(tmp_path / "cifar10/INCV.md")
    assert lines[0] == "# Label precision and recall of INCV's selections on cifar10"
    assert "Recipe: fast, unless a row names another setting." in lines
    assert lines[-11:] == [
        "| setting | n | iteration | LP | LP, published | LR | LR, published | F | F, published |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        "| sym 0.5 | 2 | 1 | 0.970 ± 0.014 | 0.954 | 0.650 ± 0.071 | 0.699 | 0.778 | 0.807 |",
        "| sym 0.5 | 2 | 2 | 0.960 ± 0.028 | 0.944 | 0.750 ± 0.071 | 0.836 | 0.842 | 0.887 |",
        "| sym 0.5 | 2 | 3 | 0.955 ± 0.035 | 0.936 | 0.775 ± 0.106 | 0.879 | 0.856 | 0.907 |",
        "| sym 0.5 | 2 | 4 | 0.950 ± 0.042 | 0.930 | 0.800 ± 0.141 | 0.900 | 0.869 | 0.915 |",
        "| sym 0.5 | 2 | 5 | 0.990 ± 0.014 | – | 0.800 ± 0.141 | – | 0.885 | – |",
        "| sym 0.1, 6 epochs | 1 | 1 | 0.990 | – | 0.800 | – | 0.885 | – |",
        "| sym 0.1, 6 epochs | 1 | 2 | – | – | 0.000 | – | – | – |",
        "| sym 0.9 | 1 | 1 | 0.000 | – | 0.000 | – | 0.000 | – |",
        "| sym 1.0 | 1 | 1 | 0.000 | – | – | – | – | – |",
    ]
    turn_into_cifar100(tmp_path)
    draw.summary(tmp_path, "cifar100")
    assert "published" not in (tmp_path / "cifar100/INCV.md").read_text(encoding="utf-8").lower()


def test_theory_is_next_to_measured_values(tmp_path):
    for pattern, ratio, seed in [("asym", 0.4, 0), ("sym", 0.5, 1), ("sym", 0.25, 0)]:
        folder = tmp_path / f"cifar10/{pattern}/{ratio}" / (f"seed{seed}" if seed else "")
        write_verify(
            folder,
            pattern,
            ratio,
            seed=seed,
            dataset="cifar10",
            recipe="fast",
            **RECIPES["fast"]["verify"].values,
        )
        path = folder / "Verify_Theory.csv"
        pd.read_csv(path).assign(TA=0.25, LP=np.nan).to_csv(path, index=False)
    draw.verify_figures(tmp_path, "cifar10")
    lines = lines_of(tmp_path / "cifar10/Verify_Theory.md")
    assert "Published: read off the paper's figure, ±0.005." in lines
    assert lines[-7:] == [
        "| noise | seed | TA | TA, theory | TA, published | LP | LP, theory | LP, published "
        "| LR | LR, theory | LR, published |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        "| sym 0.25 | 0 | 0.250 | 0.569 | – | – | 0.988 | – | 0.750 | 0.750 | – |",
        "| sym 0.5 | 1 | 0.250 | 0.278 | 0.262 | – | 0.900 | 0.883 | 0.500 | 0.500 | 0.464 |",
        "| mean distance, sym |  | 0.028 (1) |  | 0.016 | – (0) |  | – | 0.000 (1) |  | 0.036 |",
        "| asym 0.4 | 0 | 0.250 | 0.520 | 0.459 | – | 0.692 | 0.718 | 0.600 | 0.600 | 0.547 |",
        "| mean distance, asym |  | 0.270 (1) |  | 0.061 | – (0) |  | – | 0.000 (1) |  | 0.053 |",
    ]
    turn_into_cifar100(tmp_path)
    draw.verify_figures(tmp_path, "cifar100")
    lines = lines_of(tmp_path / "cifar100/Verify_Theory.md")
    assert lines[-4].endswith("| 1 | 0.250 | 0.278 | – | 0.900 | 0.500 | 0.500 |")
    assert lines[-3] == "| mean distance, sym |  | 0.174 (2) |  | – (0) |  | 0.000 (2) |  |"


def test_unpublished_settings_have_a_theory_distance(tmp_path):
    """The patterns keep their order."""
    for pattern, ratio in (("asym5", 0.5), ("asym", 0.4), ("sym", 0.25)):
        write_verify(tmp_path / f"cifar10/{pattern}/{ratio}", pattern, ratio, dataset="cifar10")
    draw.verify_figures(tmp_path, "cifar10")
    means = [
        line
        for line in lines_of(tmp_path / "cifar10/Verify_Theory.md")
        if line.startswith("| mean distance")
    ]
    assert [line.split()[3].strip(",") for line in means] == ["sym", "asym", "asym5"]
    alone = "|  | 0.000 (1) |  | – | 0.000 (1) |  | – | 0.000 (1) |  | – |"
    assert [alone in line for line in means] == [True, False, True]


def test_mean_theory_distance_is_of_equal_runs(tmp_path, monkeypatch):
    """The confusion matrix is from a run with the unchanged recipe."""
    for name, ratio, epochs, TA in (
        ("a", 0.5, 2, 0.178),
        ("fast", 0.5, 30, 0.268),
        ("fast", 0.2, 30, 0.644),
    ):
        folder = tmp_path / f"cifar10/sym/{ratio}/{name}"
        write_verify(
            folder,
            "sym",
            ratio,
            dataset="cifar10",
            recipe="fast",
            **RECIPES["fast"]["verify"].values | {"epochs": epochs},
        )
        path = folder / "Verify_Theory.csv"
        pd.read_csv(path).assign(TA=TA, TA_theory=TA + ratio / 10).to_csv(path, index=False)
    pd.DataFrame(np.eye(10)).to_csv(tmp_path / "cifar10/sym/0.5/a/Verify_Theory_M.csv")
    drawn = []
    monkeypatch.setattr(
        draw.figures, "heat_maps", lambda rows, labels: drawn.append(rows) or Figure()
    )
    draw.verify_figures(tmp_path, "cifar10")
    assert [M[0, 0] for _, M in drawn[0][0]] == pytest.approx([0.8, 0.5])
    means = [
        line
        for line in lines_of(tmp_path / "cifar10/Verify_Theory.md")
        if line.startswith("| mean distance")
    ]
    assert [line.split(")")[0] for line in means] == [
        "| mean distance, sym |  | 0.035 (2",
        "| mean distance, sym, a, 2 epochs |  | 0.050 (1",
    ]
