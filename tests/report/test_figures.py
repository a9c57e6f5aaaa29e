"""Figures from small results folders: their content, and that each is a picture."""

import io
import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from helpers import names
from matplotlib import rc_context
from PIL import Image
from records import write_selection, write_training, write_verify

from noisylabels.methods import METHODS, MethodEntry
from noisylabels.noise import Noise, transition_matrix
from noisylabels.report import aggregate, draw, figures, styles
from noisylabels.report.read_issues import read_selection_result

pytestmark = pytest.mark.runs
SETTINGS = [Noise("sym", 0.2), Noise("sym", 0.5), Noise("sym", 0.8), Noise("asym", 0.4)]


def assert_is_picture(path):
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG" and image.width > 400 and image.height > 300
        assert len(image.convert("RGB").getcolors(2**20)) > 50


def test_accuracy_figure_uses_finished_runs(digits):
    written = ["runs.csv", "runs.md", "table.csv", "table.md", "TestAcc.png"]
    assert names(draw.summary(digits, "digits")) == written
    assert_is_picture(digits / "digits/TestAcc.png")
    lines = [pd.Series([0.5, 0.8]), pd.Series([0.5, 0.6]), pd.Series([0.2, 0.7])]
    assert aggregate.over_seeds(lines).to_numpy() == pytest.approx(
        np.array([[0.4, 0.03**0.5, 3], [0.7, 0.1, 3]])
    )


def test_accuracy_figure_has_panel_per_setting_line_per_method():
    curve = aggregate.over_seeds([pd.Series([0.5, 0.8]), pd.Series([0.5, 0.6])])
    figure = figures.test_accuracy(
        {setting: {("incv", ""): curve, ("standard", ""): curve} for setting in SETTINGS}
    )
    assert [axes.get_title() for axes in figure.axes] == [f"{p} {r} (n = 2)" for p, r in SETTINGS]
    assert all(
        [tuple(line.get_ydata()) for line in axes.lines] == [(0.5, 0.7)] * 2 for axes in figure.axes
    )
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Standard", "INCV"]


@pytest.mark.parametrize("n", [1, 2, 4])
def test_legend_of_all_methods_is_not_clipped(n):
    curve = aggregate.over_seeds([pd.Series([0.5, 0.8])])
    lines = {(method, ""): curve for method in METHODS}
    figure = figures.test_accuracy(dict.fromkeys(SETTINGS[:n], lines))
    figure.draw_without_rendering()
    legend, page = figure.legends[0].get_window_extent(), figure.bbox
    assert page.x0 <= legend.x0 < legend.x1 <= page.x1 and page.y0 <= legend.y0


def test_methods_are_distinguishable_in_grey():
    found = [styles.line_style(method) for method in styles.STYLES]
    for field in ("name", "color", "dash", "marker"):
        assert len({getattr(look, field) for look in found}) == len(found)
    rgb = np.array([list(bytes.fromhex(look.color[1:])) for look in found])
    assert min(np.diff(np.sort(rgb @ [0.299, 0.587, 0.114]))) > 10


def test_custom_methods_are_distinguishable(monkeypatch):
    for name in ("one", "two"):
        monkeypatch.setitem(METHODS, name, MethodEntry("One", name))
    one, two, unknown = (styles.line_style(name) for name in ("one", "two", "nowhere"))
    assert one.color != two.color and one.dash != two.dash and one.marker != two.marker
    assert unknown.color == one.color and unknown.name == "nowhere"


# What is seen without one of three kinds of cones: Machado, Oliveira and Fernandes 2009, of linear
# RGB.
BLIND = [
    [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
]


def lab(linear):
    """Return linear RGB as CIE L*a*b*, in which 2.3 is a just noticeable difference."""
    matrix = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    x, y, z = np.cbrt(np.clip(matrix @ np.clip(linear, 0, 1) / [0.9505, 1, 1.089], 0.008856, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("cones", BLIND, ids=["protan", "deutan", "tritan"])
def test_methods_are_distinguishable_for_the_colour_blind(cones):
    seen = [
        lab(
            np.array(cones)
            @ ((np.array(list(bytes.fromhex(styles.line_style(method).color[1:]))) / 255) ** 2.2)
        )
        for method in METHODS
    ]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 7


def test_training_figures(digits):
    folder = digits / "digits/sym/0.5"
    assert names(draw.training_figures(folder, "incv")) == ["incv_training.png"]
    assert names(draw.training_figures(folder / "seed2", "incv")) == [
        "incv_training.png"
    ]  # while it runs
    assert names(draw.training_figures(folder, "standard")) == ["standard_training.png"]
    assert draw.training_figures(folder, "d2l") == []
    for method in ("incv", "standard"):
        assert_is_picture(folder / f"{method}_training.png")


@pytest.mark.parametrize("first", [0, 1])
def test_epochs_start_at_1_for_old_files_too(first, tmp_path):
    write_training(tmp_path / "digits/sym/0.5", "incv", [0.5, 0.6, 0.7])
    path = tmp_path / "digits/sym/0.5/incv_training.csv"
    pd.read_csv(path).assign(epoch=range(first, first + 3)).to_csv(path, index=False)
    (frame,) = aggregate.summarise(tmp_path, "digits").curves[SETTINGS[1]].values()
    assert list(frame.index) == [1, 2, 3]


def test_own_columns_become_panels_by_quantity():
    frame = pd.DataFrame(
        {
            "kept": [64, 60],
            "precision_1": [0.9, 0.8],
            "precision_2": [0.8, 0.8],
            "blank": np.nan,
            "text": ["a", "b"],
        }
    )
    figure = figures.training(frame, "incv", "INCV")
    panels = [(axes.get_ylabel(), len(axes.lines)) for axes in figure.axes]
    assert panels == [("fraction of samples kept", 1), ("precision", 2)]
    assert list(figure.axes[1].lines[1].get_ydata()) == [0.8, 0.8]


def test_estimated_T_is_drawn_next_to_the_true_T(tmp_path):
    folder = tmp_path / "digits/asym/0.4"
    write_training(folder, "f_correction", [0.5, 0.6])
    pd.DataFrame(transition_matrix("asym", 0.35, 10)).to_csv(folder / "f_correction_T.csv")
    assert names(draw.training_figures(folder, "f_correction")) == [
        "f_correction_training.png",
        "f_correction_T.png",
    ]
    assert_is_picture(folder / "f_correction_T.png")


def test_verify_figures(tmp_path):
    for pattern, ratio in [("sym", 0.9), ("asym", 0.5), ("sym", 0.0), ("sym", 1.0)]:
        write_verify(tmp_path / f"digits/{pattern}/{ratio}", pattern, ratio)
    write_verify(tmp_path / "digits/sym/0.0/seed3", "sym", 0.0, seed=3)
    written = draw.verify_figures(tmp_path, "digits")
    assert names(written) == [
        "Verify_Theory.csv",
        "Verify_Theory.md",
        "Verify_Theory.png",
        "Verify_Theory_M.png",
    ]
    table = pd.read_csv(written[0])
    assert list(zip(table.pattern, table.ratio, table.seed, strict=True)) == [
        ("sym", 0.0, 0),
        ("sym", 0.0, 3),
        ("sym", 0.9, 0),
        ("sym", 1.0, 0),
        ("asym", 0.5, 0),
    ]
    assert table.TA.tolist() == pytest.approx([1, 1, 0.1, 1 / 9, 0.5])
    for path in written[2:]:
        assert_is_picture(path)


def test_theory_figure_has_curves_and_points():
    """Draw a run without noise in both panels."""
    points = pd.DataFrame(
        {
            "pattern": "sym",
            "ratio": [0.5, 1.0, 0.2, 0],
            "differs": ["", "", "6 epochs", ""],
            "TA": [0.3, 0.1, 0.6, 0.8],
            "LP": [0.9, np.nan, 1.0, 1.0],
            "LR": [0.5, 0.0, 0.8, 0.8],
        }
    )
    sym, asym = figures.theory_curves(points, 10).axes
    curve, measured, unlike = sym.lines[:3]
    assert curve.get_ydata()[[0, 100, -1]] == pytest.approx([1, 0.25 / 0.9, 1 / 9])
    assert list(measured.get_xydata().ravel()) == [0.5, 0.3, 1.0, 0.1, 0, 0.8]
    assert (
        list(unlike.get_xydata().ravel()) == [0.2, 0.6] and unlike.get_markerfacecolor() == "white"
    )
    assert "6 epochs" in [text.get_text() for text in sym.figure.legends[0].get_texts()]
    assert len(asym.lines) == 9 and list(asym.lines[1].get_xydata().ravel()) == [0, 0.8]


@pytest.mark.parametrize(
    "found, chosen",
    [
        ([("sym", 0.5)], [("sym", 0.5)]),
        (
            [("sym", i / 10) for i in range(11)] + [("asym", i / 10) for i in range(11)],
            [("asym", 0.4), ("sym", 0.8), ("sym", 0.9), ("sym", 1.0)],
        ),
        (
            [("sym", 0.8), ("sym", 0.1), ("sym", 0.2), ("sym", 0.3), ("sym", 0.4), ("sym", 0.5)],
            [("sym", 0.1), ("sym", 0.3), ("sym", 0.5), ("sym", 0.8)],
        ),
    ],
)
def test_confusion_figure_shows_representative_settings(found, chosen):
    assert draw.representative(found) == chosen


@pytest.mark.parametrize("c", [3, 10, 100])
def test_heat_maps_of_any_size(c):
    T = transition_matrix("sym", 0.3, c)
    T[0] = np.nan  # a class that no held-out sample has
    figure = figures.heat_maps([[("M", T)], [("T", T)]], ["predicted class", "noisy label"])
    figure.savefig(io.BytesIO())
    assert len(figure.axes[0].texts) == (c * (c - 1) if c <= 10 else 0)


def test_selection_figures(tmp_path):
    write_selection(tmp_path / "cifar10/sym/0.5", [0.95, 0.94], [0.7, 0.8])
    write_selection(tmp_path / "cifar10/sym/0.5/seed1", [0.97], [0.6])
    write_selection(tmp_path / "cifar10/sym/0.1", [0.99, np.nan], [0.8, 0.0])
    result = read_selection_result(tmp_path / "cifar10/sym/0.5")
    assert names(draw.selection_files(result)) == ["INCV_iterations.png"]
    assert names(draw.summary(tmp_path, "cifar10")) == ["INCV.png", "INCV.md"]
    assert_is_picture(tmp_path / "cifar10/INCV.png")
    assert_is_picture(tmp_path / "cifar10/sym/0.5/INCV_iterations.png")
    assert draw.selection_files(read_selection_result(tmp_path / "cifar10/sym/0.7")) == []


def test_figure_drawn_twice_is_the_same_file(digits):
    (path,) = draw.training_figures(digits / "digits/sym/0.5", "incv")
    first = path.read_bytes()
    draw.training_figures(digits / "digits/sym/0.5", "incv")
    assert path.read_bytes() == first and b"matplotlib" not in first.lower()
    assert not list(path.parent.glob(".*"))  # no temporary file stays


@pytest.mark.slow
@pytest.mark.parametrize("name, starts", [("pdf", b"%PDF-"), ("svg", b"<?xml")])
def test_pdf_and_svg_are_reproducible(name, starts, digits, call):
    found = []
    for _ in range(2):
        with rc_context():
            ended = call("report", "--results_dir", digits, "--format", name)
        assert ended.code == 0 and (digits / f"digits/TestAcc.{name}").is_file()
        found.append({path: path.read_bytes() for path in digits.rglob(f"*.{name}")})
    assert found[0] == found[1] and len(found[0]) > 3
    for content in found[0].values():
        assert content.startswith(starts) and not re.search(
            rb"matplotlib v|Date>|CreationDate", content
        )


def test_tall_legend_gives_no_warning(recwarn):
    curve = aggregate.over_seeds([pd.Series([0.5, 0.8])])
    lines = {("incv", f"{k}, {'a long difference, ' * 6}"): curve for k in range(20)}
    figures.test_accuracy({SETTINGS[0]: lines})
    assert not list(recwarn)
