"""The numbers that reach each figure and summary, from results folders."""

import numpy as np
import pandas as pd
import pytest
from helpers import names
from matplotlib.figure import Figure
from PIL import Image
from records import write_run, write_selection, write_training, write_verify

from noisylabels.noise import Noise, transition_matrix
from noisylabels.report import aggregate, draw
from noisylabels.report.outputs import save
from noisylabels.report.read_issues import read_selection_result

SYM, ASYM, GIVEN = Noise("sym", 0.5), Noise("asym", 0.4), Noise("given")


@pytest.fixture
def drawn(monkeypatch):
    """Return the arguments that the figure functions of this name are called with."""

    def drawn(name):
        calls = []
        monkeypatch.setattr(
            f"noisylabels.report.figures.{name}",
            lambda *arguments: calls.append(arguments) or Figure(),
        )
        monkeypatch.setattr("noisylabels.report.outputs.save_figure", lambda figure, path: path)
        return calls

    return drawn


def test_training_figure_has_accuracies_and_own_columns(drawn, tmp_path):
    calls, folder = drawn("training"), tmp_path / "digits/sym/0.5"
    write_training(
        folder, "incv", [0.5, 0.6], [0.4, 0.7], {"kept": [64, 60], "kept_precision_1": 0.9}
    )
    log = pd.read_csv(folder / "incv_training.csv")
    log.insert(4, "heldout_loss_1", [2.0, 1.0])
    log.to_csv(folder / "incv_training.csv", index=False)
    draw.training_figures(folder, "incv")
    ((frame, method, title),) = calls
    assert list(frame) == [
        "test_accuracy_1",
        "test_accuracy_2",
        "heldout_loss_1",
        "kept",
        "kept_precision_1",
    ]
    assert (method, title) == ("incv", "INCV, digits, sym 0.5, seed 0")


@pytest.mark.parametrize("dataset, given", [("cifar10", True), ("digits", False)])
def test_published_points_are_for_cifar10(dataset, given, drawn, tmp_path):
    curves, selections = drawn("theory_curves"), drawn("selection")
    write_verify(tmp_path / dataset / "sym/0.5", "sym", 0.5, dataset=dataset)
    write_selection(tmp_path / dataset / "sym/0.5", [0.9], [0.8], dataset=dataset)
    draw.verify_figures(tmp_path, dataset)
    draw.summary(tmp_path, dataset)
    ((table, n_classes, points),) = curves
    assert (len(table), n_classes, points is not None) == (1, 10, given) and (
        selections[0][1] != {}
    ) == given


def test_figure_has_150_pixels_per_inch(tmp_path):
    with Image.open(save(Figure((4, 3)), tmp_path / "a.png")) as image:
        assert image.size == (600, 450)


def test_selection_figure_names_the_final_estimate(drawn, tmp_path):
    calls, folder = drawn("iterations"), tmp_path / "digits/sym/0.5"
    write_selection(folder, [0.9, 0.8, 0.7], [0.7, 0.8, 0.9])
    path = folder / "INCV_iterations.csv"
    pd.read_csv(path).assign(eps=[0.7, 0.6, 0.4567]).to_csv(path, index=False)
    draw.selection_files(read_selection_result(folder))
    ((frame, title),) = calls
    assert title == "INCV, digits, sym 0.5, seed 0: estimated noise ratio 0.457"
    assert frame.LP.tolist() == [0.9, 0.8, 0.7] and list(frame.index) == [1, 2, 3]


@pytest.mark.parametrize("folder, true", [("digits/asym/0.4", ASYM), ("pets/given", None)])
def test_true_T_is_next_to_the_estimate_if_known(folder, true, drawn, tmp_path):
    drawn("training")
    calls, estimated = drawn("heat_maps"), transition_matrix("asym", 0.35, 10)
    write_training(tmp_path / folder, "f_correction", [0.5, 0.6])
    pd.DataFrame(estimated).to_csv(tmp_path / folder / "f_correction_T.csv")
    draw.training_figures(tmp_path / folder, "f_correction")
    draw.training_figures(tmp_path / folder, "standard")
    (((row,), labels),) = calls
    assert (
        labels == ["noisy label"]
        and [title for title, _ in row] == ["T, estimated", "T, true"][: 1 + bool(true)]
    )
    expected = [estimated, transition_matrix("asym", 0.4, 10)]
    for (_, matrix), T in zip(row, expected):
        np.testing.assert_allclose(matrix, T)


def test_given_true_T_is_not_called_estimated(drawn, tmp_path):
    drawn("training")
    calls, folder = drawn("heat_maps"), tmp_path / "digits/asym/0.4"
    write_training(folder, "f_correction", [0.5, 0.6])
    pd.DataFrame(transition_matrix("asym", 0.4, 10)).to_csv(folder / "f_correction_T.csv")
    draw.training_figures(folder, "f_correction")
    (((row,), _),) = calls
    assert [title for title, _ in row] == ["T, true"]


def test_M_is_above_T_of_measured_settings(drawn, tmp_path):
    drawn("theory_curves")
    calls = drawn("heat_maps")
    for pattern, ratio in (("sym", 0.5), ("asym", 0.4)):
        write_verify(tmp_path / f"digits/{pattern}/{ratio}", pattern, ratio, c=3)
    draw.verify_figures(tmp_path, "digits")
    (((M, T), labels),) = calls
    assert labels == ["predicted class", "noisy label"]
    for letter, row in (("M", M), ("T", T)):
        assert [title for title, _ in row] == [f"{letter}, asym 0.4", f"{letter}, sym 0.5"]
        for (_, matrix), noise in zip(row, (ASYM, SYM)):
            np.testing.assert_allclose(matrix, transition_matrix(*noise, 3))


@pytest.mark.parametrize(
    "missing, written",
    [
        ("Verify_Theory.csv", ["Verify_Theory_M.png"]),
        ("Verify_Theory_M.csv", ["Verify_Theory.csv", "Verify_Theory.md"]),
    ],
)
def test_either_file_of_a_theory_run_may_be_missing(missing, written, drawn, tmp_path):
    drawn("theory_curves"), drawn("heat_maps")
    write_verify(tmp_path / "digits/sym/0.5", "sym", 0.5)
    (tmp_path / "digits/sym/0.5" / missing).unlink()
    assert names(draw.verify_figures(tmp_path, "digits")) == written


# ---------------------------------------------------------------------------------------- summaries


def test_shortened_logs_are_left_out_of_curves(tmp_path):
    folder = tmp_path / "digits/sym/0.5"
    for seed, accuracy in ((0, 0.8), (1, 0.6)):
        write_run(folder / f"seed{seed}" if seed else folder, "standard", accuracy, seed=seed)
    write_run(folder / "seed2", "standard", 0.1, seed=2)
    path = folder / "seed2/standard_training.csv"
    pd.read_csv(path).head(30).to_csv(path, index=False)
    write_selection(folder, [0.8, 0.9], [0.5, 0.7], seed=0)
    write_selection(folder / "seed1", [0.6], [0.4], seed=1)
    found = aggregate.summarise(tmp_path, "digits")
    curve = found.curves[SYM]["standard", ""]
    assert list(curve.index) == [*range(1, 41)] and set(curve["count"]) == {2}
    assert curve["mean"].tolist() == pytest.approx([0.7] * 40)
    scores = found.selections[SYM, ""]
    assert scores["LP"]["mean"].tolist() == pytest.approx([0.7, 0.75]) and scores["LP"][
        "count"
    ].tolist() == [2, 2]
    assert scores["LR"]["mean"].tolist() == pytest.approx([0.45, 0.55])
    assert found.recipe == "digits" and found.doubtful == set()


def test_settings_with_noisy_test_labels_are_marked(drawn, tmp_path):
    calls = drawn("test_accuracy")
    write_training(tmp_path / "pets/sym/0.5", "standard", [0.5, 0.6])
    write_training(tmp_path / "pets/given", "standard", [0.5, 0.6])
    path = tmp_path / "pets/given/standard_result.csv"
    pd.read_csv(path).assign(test_labels="given").to_csv(path, index=False)
    draw.summary(tmp_path, "pets")
    ((curves, doubtful),) = calls
    assert list(curves) == [SYM, GIVEN] and doubtful == {GIVEN}


def test_results_folders_are_compared_line_by_line(drawn, tmp_path):
    """Each line, row or selection names its folder and its differing settings."""
    curves, selections = drawn("test_accuracy"), drawn("selection")
    A, B = (tmp_path / tree for tree in "AB")
    for tree in (A, B):
        write_run(tree / "digits/sym/0.5", "standard", 0.8)
        write_selection(tree / "digits/sym/0.5", [0.8], [0.5], seed=0)
    write_run(B / "digits/sym/0.5/seed1", "standard", 0.6, seed=1, epochs=6)
    write_selection(B / "digits/sym/0.5/seed1", [0.8], [0.5], seed=1, INCV_iter=1)
    path = B / "digits/sym/0.5/seed1/standard_result.csv"
    pd.read_csv(path).assign(test_labels="given").to_csv(path, index=False)
    draw.compare([A, B], "digits")
    ((lines, doubtful),) = curves
    assert {noise: {*found} for noise, found in lines.items()} == {
        SYM: {("standard", f"{A}"), ("standard", f"{B}"), ("standard", f"{B}, 6 epochs")}
    }
    assert len(lines[SYM]["standard", f"{A}"]) == 40 and doubtful == {SYM}
    assert {*selections[0][0]} == {(SYM, f"{A}"), (SYM, f"{B}"), (SYM, f"{B}, 1 iteration")}
    assert f"\nRecipe: digits in {A}, digits in {B}, unless" in (
        A / "digits/compared.md"
    ).read_text(encoding="utf-8")
    table = pd.read_csv(A / "digits/compared.csv").set_index("differs")
    assert table.n.to_dict() == {f"{A}": 1, f"{B}": 1, f"{B}, 6 epochs": 1}


def test_only_common_data_sets_are_compared(call, monkeypatch, tmp_path):
    for folder in ("A/digits", "A/pets", "B/digits"):
        (tmp_path / folder / "given").mkdir(parents=True)
    drawn, roots = [], [tmp_path / "A", tmp_path / "B"]
    monkeypatch.setattr(
        draw, "everything", lambda root, dataset: drawn.append((root, dataset)) or ["one"]
    )
    monkeypatch.setattr(
        draw, "compare", lambda roots, dataset: drawn.append((roots, dataset)) or ["both"]
    )
    ended = call("report", "--results_dir", *roots)
    assert (ended.code, ended.out) == (0, "")
    assert drawn == [
        (roots[0], "digits"),
        (roots[1], "digits"),
        (roots, "digits"),
        (roots[0], "pets"),
    ]
    drawn.clear()
    assert call("report", "--results_dir", *roots, "--dataset", "pets").code == 0 and drawn == [
        (roots[0], "pets")
    ]
