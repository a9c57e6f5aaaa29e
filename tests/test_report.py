"""Tables and figures from small results folders made here: whole, half finished, damaged and foreign ones."""
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from noisylabels import theory
from noisylabels.methods import METHODS
from noisylabels.report import draw, figures, read
from noisylabels.runs.folders import find_runs
from noisylabels.theory import Noise

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = [Noise("sym", 0.2), Noise("sym", 0.5), Noise("sym", 0.8), Noise("asym", 0.4)]


def write_training(folder, method, accuracies, second=None, own=None, finished=True, recipe="digits"):
    """A method's training and result CSVs, in the layout of INCV_main.py."""
    folder.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({"epoch": range(len(accuracies)), "learning_rate": 0.001, "loss": 1.0, "accuracy": 0.5,
                          "test_accuracy_1": accuracies, "test_accuracy_2": second, "seconds": 1.0, **(own or {})})
    frame.to_csv(folder / f"{method}_training.csv", index=False)
    if finished:
        curves = {"1": frame.test_accuracy_1, "2": frame.test_accuracy_2}
        if second is None:
            del curves["2"]
        curves["mean"] = pd.DataFrame(curves).mean(axis=1)
        scores = [{"network": name, "last": curve.iloc[-1], "last10": curve.iloc[-10:].mean(), "best": curve.max(),
                   "recipe": recipe} for name, curve in curves.items()]
        pd.DataFrame(scores).to_csv(folder / f"{method}_result.csv", index=False)


def write_iterations(folder, LP, LR):
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"iteration": range(1, len(LP) + 1), "LP": LP, "LR": LR, "eps": 0.5, "selected": 600, "candidate": 300,
                  "removed": 100}).to_csv(folder / "INCV_iterations.csv", index=False)


def write_verify(folder, pattern, ratio, c=10, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    T = theory.transition_matrix(pattern, ratio, c)
    scores = theory.test_accuracy(T), theory.label_precision(T), theory.label_recall(T)
    pd.DataFrame([[pattern, ratio, seed, *scores, *scores, 0.9]], columns=[
        "pattern", "ratio", "seed", *read.VERIFY_COLUMNS]).to_csv(folder / "Verify_Theory.csv", index=False)
    pd.DataFrame(T).to_csv(folder / "Verify_Theory_M.csv")


def assert_is_picture(path):
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG" and image.width > 400 and image.height > 300
        assert len(image.convert("RGB").getcolors(2**20)) > 50


def names(paths):
    return [path.name for path in paths]


@pytest.fixture
def digits(tmp_path):
    """INCV with two seeds (and a third unfinished), Standard with one, of sym 0.5."""
    folder = tmp_path / "digits/sym/0.5"
    write_training(folder, "incv", [0.5, 0.96, 0.90], [0.5, 0.92, 0.86], {"kept": 64, "kept_precision_1": 0.9,
                                                                          "kept_precision_2": 0.8})
    write_training(folder / "seed1", "incv", [0.5, 0.94, 0.94], [0.5, 0.94, 0.94], recipe="fast")
    write_training(folder / "seed2", "incv", [0.1], [0.1], finished=False)
    write_training(folder, "standard", [0.5, 0.7, 0.6])
    return tmp_path


def test_table_by_hand(digits):
    draw.summary(digits, "digits")
    table = pd.read_csv(digits / "digits/table.csv").set_index("method")
    assert list(table.index) == ["standard", "incv"]                    # no row for what has not run
    incv = table.loc["incv"]
    assert (incv.pattern, incv.ratio, incv.n, incv.seeds, incv.recipe) == ("sym", 0.5, 2, "0 1", "digits fast")
    assert incv.last_mean == pytest.approx(0.91)                        # .88 and .94
    assert incv.last_std == pytest.approx(0.06 / 2**0.5)
    assert incv.last10_mean == pytest.approx((2.32 / 3 + 2.38 / 3) / 2)
    assert incv.best_mean == pytest.approx(0.94) and incv.best_std == pytest.approx(0)
    assert table.loc["standard"].last_mean == 0.6 and np.isnan(table.loc["standard"].last_std)
    assert "published_mean" not in table


def test_table_as_text(digits):
    draw.summary(digits, "digits")
    text = (digits / "digits/table.md").read_text(encoding="utf-8")
    assert text.splitlines()[-9:] == [
        "| method | sym 0.5 |",
        "|---|---:|",
        "| Standard | 60.00 (1) |",
        "| F-correction | – |",
        "| Decoupling | – |",
        "| Co-teaching | – |",
        "| MentorNet | – |",
        "| D2L | – |",
        "| INCV | 91.00 ± 4.24 (2) |"]
    assert "Recipe: digits fast.\n" in text                             # one that mixes them says so
    assert "last epoch" in text and "published" not in text.lower()


def test_published_values_stand_beside_those_of_cifar10_only(tmp_path):
    for pattern, ratio in [("asym", 0.4), ("sym", 0.3), ("sym", 0.8)]:
        write_training(tmp_path / f"cifar10/{pattern}/{ratio}", "d2l", [0.1, 0.2])
    draw.summary(tmp_path, "cifar10")
    lines = (tmp_path / "cifar10/table.md").read_text(encoding="utf-8").splitlines()
    assert "| method | sym 0.8 | sym 0.8, published | asym 0.4 | asym 0.4, published | sym 0.3 |" in lines
    assert "| D2L | 20.00 (1) | 10.02 ± 0.04 | 20.00 (1) | 85.57 ± 1.21 | 20.00 (1) |" in lines
    assert "| INCV | – | 52.27 ± 3.50 | – | 86.04 ± 0.54 | – |" in lines
    assert "| Standard | – | – | – | – | – |" in lines
    table = pd.read_csv(tmp_path / "cifar10/table.csv")
    assert list(zip(table.pattern, table.ratio, strict=True)) == [("sym", 0.8), ("asym", 0.4), ("sym", 0.3)]
    np.testing.assert_allclose(table.published_mean, [0.1002, 0.8557, np.nan])


def test_test_accuracy_figure_is_of_finished_runs(digits):
    assert names(draw.summary(digits, "digits")) == ["table.csv", "table.md", "TestAcc.png"]
    assert_is_picture(digits / "digits/TestAcc.png")
    lines = [pd.Series([0.5, 0.8]), pd.Series([0.5, 0.6]), pd.Series([0.2])]
    assert draw.over_seeds(lines).to_numpy() == pytest.approx(np.array([[0.4, 0.03**0.5, 3], [0.7, 0.02**0.5, 2]]))


def test_test_accuracy_figure_has_a_panel_a_setting_and_a_line_a_method():
    curve = draw.over_seeds([pd.Series([0.5, 0.8]), pd.Series([0.5, 0.6])])
    figure = figures.test_accuracy({setting: {"incv": curve, "standard": curve} for setting in SETTINGS})
    assert [axes.get_title() for axes in figure.axes] == [f"{p} {r} (n = 2)" for p, r in SETTINGS]
    assert all([tuple(line.get_ydata()) for line in axes.lines] == [(0.5, 0.7)] * 2 for axes in figure.axes)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Standard", "INCV"]


@pytest.mark.parametrize("n", [1, 2, 4])
def test_the_legend_of_all_methods_is_not_clipped(n):
    curve = draw.over_seeds([pd.Series([0.5, 0.8])])
    figure = figures.test_accuracy({setting: dict.fromkeys(METHODS, curve) for setting in SETTINGS[:n]})
    figure.draw_without_rendering()
    legend, page = figure.legends[0].get_window_extent(), figure.bbox
    assert page.x0 <= legend.x0 < legend.x1 <= page.x1 and page.y0 <= legend.y0


def test_methods_can_be_told_apart_in_grey():
    looks = [figures.look(method) for method in METHODS]
    for field in ("name", "color", "dash", "marker"):
        assert len({getattr(look, field) for look in looks}) == 7
    rgb = np.array([list(bytes.fromhex(look.color[1:])) for look in looks])
    assert min(np.diff(np.sort(rgb @ [0.299, 0.587, 0.114]))) > 10


def test_training_figures(digits):
    folder = digits / "digits/sym/0.5"
    assert names(draw.training_figures(folder, "incv")) == ["incv_training.png"]
    assert names(draw.training_figures(folder / "seed2", "incv")) == ["incv_training.png"]       # while it runs
    assert names(draw.training_figures(folder, "standard")) == ["standard_training.png"]
    assert draw.training_figures(folder, "d2l") == []
    for method in ("incv", "standard"):
        assert_is_picture(folder / f"{method}_training.png")


def test_own_columns_become_panels_by_quantity():
    frame = pd.DataFrame({"kept": [64, 60], "precision_1": [0.9, 0.8], "precision_2": [0.8, 0.8], "blank": np.nan,
                          "text": ["a", "b"]})
    figure = figures.training(frame, "incv", "INCV")
    assert [(axes.get_ylabel(), len(axes.lines)) for axes in figure.axes] == [("samples kept", 1), ("precision", 2)]
    assert list(figure.axes[1].lines[1].get_ydata()) == [0.8, 0.8]


def test_a_new_method_needs_nothing_here(digits):
    write_training(digits / "digits/sym/0.5", "newest", [0.5, 0.99])
    written = names(draw.everything(digits, "digits"))
    assert "newest_training.png" in written
    assert (digits / "digits/table.md").read_text(encoding="utf-8").splitlines()[-1] == "| newest | 99.00 (1) |"


def test_estimated_T_beside_the_true_one(tmp_path):
    folder = tmp_path / "digits/asym/0.4"
    write_training(folder, "f_correction", [0.5, 0.6])
    pd.DataFrame(theory.transition_matrix("asym", 0.35, 10)).to_csv(folder / "f_correction_T.csv")
    assert names(draw.training_figures(folder, "f_correction")) == ["f_correction_training.png", "f_correction_T.png"]
    assert_is_picture(folder / "f_correction_T.png")


def test_verify_figures(tmp_path):
    for pattern, ratio in [("sym", 0.9), ("asym", 0.5), ("sym", 0.0), ("sym", 1.0)]:
        write_verify(tmp_path / f"digits/{pattern}/{ratio}", pattern, ratio)
    write_verify(tmp_path / "digits/sym/0.0/seed3", "sym", 0.0, seed=3)
    written = draw.verify_figures(tmp_path, "digits")
    assert names(written) == ["Verify_Theory.csv", "Verify_Theory.png", "Verify_Theory_M.png"]
    table = pd.read_csv(written[0])
    assert list(zip(table.pattern, table.ratio, table.seed, strict=True)) == [
        ("sym", 0.0, 0), ("sym", 0.0, 3), ("sym", 0.9, 0), ("sym", 1.0, 0), ("asym", 0.5, 0)]
    assert table.TA.tolist() == pytest.approx([1, 1, 0.1, 1 / 9, 0.5])
    for path in written[1:]:
        assert_is_picture(path)


def test_theory_figure_has_curves_and_points():
    points = pd.DataFrame({"pattern": ["sym", "sym"], "ratio": [0.5, 1.0], "TA": [0.3, 0.1], "LP": [0.9, np.nan],
                           "LR": [0.5, 0.0]})
    sym, asym = figures.theory_curves(points, 10).axes
    curve, measured = sym.lines[:2]
    assert curve.get_ydata()[[0, 100, -1]] == pytest.approx([1, 0.25 / 0.9, 1 / 9])
    assert list(measured.get_xydata().ravel()) == [0.5, 0.3, 1.0, 0.1]
    assert len(asym.lines) == 6 and len(asym.lines[1].get_xdata()) == 0


@pytest.mark.parametrize("found, chosen", [
    ([("sym", 0.5)], [("sym", 0.5)]),
    ([("sym", i / 10) for i in range(11)] + [("asym", i / 10) for i in range(11)],
     [("asym", 0.4), ("sym", 0.8), ("sym", 0.9), ("sym", 1.0)]),
    ([("sym", 0.8), ("sym", 0.1), ("sym", 0.2), ("sym", 0.3), ("sym", 0.4), ("sym", 0.5)],
     [("sym", 0.1), ("sym", 0.3), ("sym", 0.5), ("sym", 0.8)]),
])
def test_columns_of_the_confusion_figure(found, chosen):
    assert draw.representative(found) == chosen


@pytest.mark.parametrize("c", [3, 10, 100])
def test_heat_maps_of_any_size(c):
    T = theory.transition_matrix("sym", 0.3, c)
    T[0] = np.nan                                   # a class that no held-out sample has
    figure = figures.heat_maps([[("M", T)], [("T", T)]], ["predicted class", "noisy label"])
    figure.savefig(io.BytesIO())
    assert len(figure.axes[0].texts) == (c * (c - 1) if c <= 10 else 0)


def test_selection_figures(tmp_path):
    write_iterations(tmp_path / "cifar10/sym/0.5", [0.95, 0.94], [0.7, 0.8])
    write_iterations(tmp_path / "cifar10/sym/0.5/seed1", [0.97], [0.6])
    write_iterations(tmp_path / "cifar10/sym/0.1", [0.99, np.nan], [0.8, 0.0])
    assert names(draw.incv_figures(tmp_path / "cifar10/sym/0.5")) == ["INCV_iterations.png"]
    assert names(draw.summary(tmp_path, "cifar10")) == ["INCV.png"]
    assert_is_picture(tmp_path / "cifar10/INCV.png")
    assert_is_picture(tmp_path / "cifar10/sym/0.5/INCV_iterations.png")
    assert draw.incv_figures(tmp_path / "cifar10/sym/0.7") == []


def test_a_figure_drawn_twice_is_the_same_file(digits):
    path, = draw.training_figures(digits / "digits/sym/0.5", "incv")
    first = path.read_bytes()
    draw.training_figures(digits / "digits/sym/0.5", "incv")
    assert path.read_bytes() == first and b"matplotlib" not in first.lower()
    assert not list(path.parent.glob(".*"))         # no temporary file stays


@pytest.mark.parametrize("content", [
    b"", b"\0\0\0", b"\xff\xfe", b"a,b\n1,2\n", b'network,last,last10,best\n"mean,1,1,1\n',
    b"network,last,last10,best\nmean,x,1,1\n", b"network,last,last10,best\nmean,1,1,1\nmean,1,1,1\n",
    b"network,last,last10,best\nmean,inf,1,1\n", b"network,last,last10,best\nmean,1e4004617017605276,1,1\n",
])
def test_a_damaged_file_is_named_once_and_left_out(digits, capsys, content):
    damaged = digits / "digits/sym/0.5/seed1/incv_result.csv"
    damaged.write_bytes(content)
    for _ in range(2):
        assert read.read_csv(damaged, "network", read.RESULT_COLUMNS) is None
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith(f"{damaged}: left out, ")


@pytest.mark.parametrize("name, content", [
    ("seed1/incv_result.csv", b"network,last\nmean,.5\n"),
    ("incv_training.csv", b"epoch,test_accuracy_1,test_accuracy_2,seconds\n0,.5,.5,1\n0,.6,.5,1\n"),
    ("INCV_iterations.csv", b"iteration,LP\n1,.5\n"),
    ("Verify_Theory.csv", b"seed,TA\n0,.5\n"),
    ("Verify_Theory_M.csv", b",0,1\n0,.5,.5\n"),
    ("Verify_Theory_M.csv", b",0,1\n0,.5,.5\n1,7,.5\n"),
    ("f_correction_T.csv", b",0,1\n0,.5,.5\n1,x,.5\n"),
])
def test_any_damaged_file_leaves_the_rest(digits, capsys, name, content):
    damaged = digits / "digits/sym/0.5" / name
    damaged.write_bytes(content)
    assert {"table.csv", "table.md", "TestAcc.png"} <= set(names(draw.everything(digits, "digits")))
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and str(damaged) in error


def test_what_is_not_a_run_is_not_looked_at(digits):
    for name in ("digits/sym/0.5/checkpoints", "digits/sym/2.5", "digits/sym/old", "digits/pair/0.5",
                 "digits/sym/0.5/seedx"):
        (digits / name).mkdir(parents=True)
    (digits / "digits/sym/notes.txt").write_text("0.5")
    assert [(run.noise.ratio, run.seed) for run in find_runs(digits, "digits")] == [(0.5, 0), (0.5, 1), (0.5, 2)]
    with pytest.raises(ValueError, match="not a run folder"):
        draw.incv_figures(digits / "digits/pair/0.5")


def test_nothing_found_is_nothing_drawn(tmp_path):
    (tmp_path / "digits/sym/0.5").mkdir(parents=True)
    assert draw.everything(tmp_path, "digits") == [] and draw.everything(tmp_path, "cifar10") == []
    assert list((tmp_path / "digits").iterdir()) == [tmp_path / "digits/sym"]


def run_command(*arguments):
    return subprocess.run([sys.executable, ROOT / "report.py", *map(str, arguments)], capture_output=True, text=True)


def test_command_draws_and_names_what_it_wrote(digits):
    done = run_command("--results_dir", digits)
    assert done.returncode == 0 and done.stderr == ""
    paths = [Path(line.removeprefix("wrote ")) for line in done.stdout.splitlines()]
    assert digits / "digits/table.md" in paths and all(path.exists() for path in paths)
    assert done.stdout == run_command("--results_dir", digits, "--dataset", "digits").stdout


@pytest.mark.parametrize("arguments, message", [
    (["--results_dir", "{empty}"], "--results_dir"),
    (["--results_dir", "{empty}/missing"], "--results_dir"),
    (["--results_dir", "{digits}", "--dataset", "cifar10"], "only of digits"),
    (["--nonsense"], "--nonsense"),
])
def test_command_errors_are_one_line(digits, tmp_path_factory, arguments, message):
    empty = tmp_path_factory.mktemp("empty")
    failed = run_command(*(argument.format(empty=empty, digits=digits) for argument in arguments))
    assert failed.returncode == 2 and failed.stdout == ""
    assert failed.stderr.startswith("report.py: error: ") and message in failed.stderr
    assert failed.stderr.count("\n") == 1
