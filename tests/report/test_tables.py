"""Tables and the report command on small results: whole, unfinished, damaged, foreign."""

import numpy as np
import pandas as pd
import pytest
from helpers import assert_is_one_line, names, run_command, write_training
from records import write_run, write_selection, write_verify

from noisylabels.recipes import RECIPES
from noisylabels.report import draw, read
from noisylabels.runs.folders import find_runs

pytestmark = pytest.mark.usefixtures("without_figures")


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_table_by_hand(digits):
    draw.summary(digits, "digits")
    table = pd.read_csv(digits / "digits/table.csv").set_index("method")
    assert list(table.index) == ["standard", "incv"]  # no row for what has not run
    incv = table.loc["incv"]
    assert (incv.pattern, incv.ratio, incv.n, incv.seeds, incv.recipe) == (
        "sym",
        0.5,
        2,
        "0 1",
        "digits",
    )
    assert incv.differs == "3 epochs"  # the recipe has 40
    assert incv.final_mean == pytest.approx(0.91)  # in files of before that of the last epoch
    assert incv.last_mean == pytest.approx(0.91)  # .88 and .94
    assert incv.last_std == pytest.approx(0.06 / 2**0.5)
    assert incv.last10_mean == pytest.approx((2.32 / 3 + 2.38 / 3) / 2)
    assert incv.best_mean == pytest.approx(0.94) and incv.best_std == pytest.approx(0)
    assert table.loc["standard"].last_mean == 0.6 and np.isnan(table.loc["standard"].last_std)
    assert "published_mean" not in table


def test_table_as_text(digits):
    draw.summary(digits, "digits")
    text = (digits / "digits/table.md").read_text(encoding="utf-8")
    assert text.splitlines()[-4:] == [  # no row for what has not run
        "| method | sym 0.5 |",
        "|---|---:|",
        "| Standard, 3 epochs, no record | 60.00 (1) |",
        "| INCV, 3 epochs | 91.00 ± 4.24 (2) |",
    ]
    assert "Recipe: digits, unless a row names another setting.\n" in text
    assert "last epoch" in text and "published" not in text.lower()


def test_later_methods_are_below_the_paper_s(digits):
    for method in ("elr", "gce"):
        write_training(digits / "digits/sym/0.5", method, [0.5, 0.8])
    draw.summary(digits, "digits")
    assert lines_of(digits / "digits/table.md")[-4:] == [
        "| INCV, 3 epochs | 91.00 ± 4.24 (2) |",
        "| *after 2019* |  |",
        "| GCE, 2 epochs, no record | 80.00 (1) |",
        "| ELR, 2 epochs, no record | 80.00 (1) |",
    ]


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
    """Custom images of that name, another data set, and runs without a record."""
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
    """M is that of a run with the unchanged recipe."""
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
    monkeypatch.setattr(draw.figures, "heat_maps", lambda rows, labels: drawn.append(rows))
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


def test_new_method_needs_no_change_in_the_report(digits):
    write_training(digits / "digits/sym/0.5", "newest", [0.5, 0.99])
    written = names(draw.everything(digits, "digits"))
    assert (
        "newest_training.png" in written and written.count("incv_training.png") == 3
    )  # of three seeds
    last = lines_of(digits / "digits/table.md")[-1]
    assert last == "| newest, 2 epochs, no record | 99.00 (1) |"


# -------------------------------------------------------------------------------- what does not fit


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\0",
        b"\xff\xfe",
        b"a,b\n1,2\n",
        b'network,last,last10,best\n"mean,1,1,1\n',
        b"network,last,last10,best\nmean,x,1,1\n",
        b"network,last,last10,best\nmean,1,1,1\nmean,1,1,1\n",
        b"network,last,last10,best\nmean,inf,1,1\n",
        b"network,last,last10,best\nmean,1e4004617017605276,1,1\n",
    ],
)
def test_damaged_file_is_named_once_and_left_out(digits, capsys, content):
    damaged = digits / "digits/sym/0.5/seed1/incv_result.csv"
    damaged.write_bytes(content)
    for _ in range(2):
        assert read.read_csv(damaged, "network", read.RESULT_COLUMNS) is None
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith(f"{damaged}: left out, ")


@pytest.mark.parametrize(
    "name, content",
    [
        ("seed1/incv_result.csv", b"network,last\nmean,.5\n"),
        (
            "incv_training.csv",
            b"epoch,test_accuracy_1,test_accuracy_2,seconds\n0,.5,.5,1\n0,.6,.5,1\n",
        ),
        ("incv_training.csv", b"epoch,test_accuracy_1,test_accuracy_2,seconds\n1,.5,x,1\n"),
        ("incv_result.csv", b"network,last,last10,best,final\nmean,.5,.5,.5,x\n"),
        ("incv_result.csv", b"network,last,last10,best,steps\nmean,.5,.5,.5,many\n"),
        ("INCV_iterations.csv", b"iteration,LP\n1,.5\n"),
        (
            "INCV_iterations.csv",
            b"iteration,LP,LR,eps,selected,candidate,removed\n1,.5,.5,.5,,1,1\n",
        ),
        ("Verify_Theory.csv", b"seed,TA\n0,.5\n"),
        ("Verify_Theory_M.csv", b",0,1\n0,.5,.5\n"),
        ("Verify_Theory_M.csv", b",0,1\n0,.5,.5\n1,7,.5\n"),
        ("f_correction_T.csv", b",0,1\n0,.5,.5\n1,x,.5\n"),
    ],
)
def test_damaged_file_does_not_affect_others(digits, capsys, name, content):
    damaged = digits / "digits/sym/0.5" / name
    damaged.write_bytes(content)
    assert {"table.csv", "table.md", "TestAcc.png"} <= set(names(draw.everything(digits, "digits")))
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and str(damaged) in error


def test_other_folders_are_not_runs(digits):
    for name in (
        "digits/sym/0.5/checkpoints",
        "digits/sym/2.5",
        "digits/sym/old",
        "digits/pair/0.5",
        "digits/sym/0.5/INCV_checkpoints",
    ):
        (digits / name).mkdir(parents=True)
    (digits / "digits/sym/notes.txt").write_text("0.5")
    assert [(run.noise.ratio, run.seed) for run in find_runs(digits, "digits")] == [
        (0.5, 0),
        (0.5, 1),
        (0.5, 2),
    ]
    with pytest.raises(ValueError, match="not a run folder"):
        draw.incv_figures(digits / "digits/pair/0.5")


def test_nothing_is_drawn_without_results(tmp_path):
    (tmp_path / "digits/sym/0.5").mkdir(parents=True)
    assert draw.everything(tmp_path, "digits") == [] and draw.everything(tmp_path, "cifar10") == []
    assert list((tmp_path / "digits").iterdir()) == [tmp_path / "digits/sym"]


# -------------------------------------------------------------------------------------- the command


@pytest.mark.runs
def test_command_draws_and_lists_what_to_open(digits, call):
    """Hidden files are not counted."""
    (digits / "digits/.hidden").touch()
    done = run_command("report.py", "--results_dir", digits)
    assert done.returncode == 0 and done.stderr == ""
    others = [
        path
        for path in digits.rglob("*")
        if path.is_file() and path.name not in (".hidden", "table.md")
    ]
    assert done.stdout == (
        f"\nopen next:\n  {digits}/digits/table.md  comparison of all methods\n"
        f"{len(others)} other files are in {digits}/digits\n"
    )
    assert done.stdout == call("report", "--results_dir", digits, "--dataset", "digits").out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--results_dir", "{empty}"], "--results_dir"),
        (["--results_dir", "{empty}/missing"], "--results_dir"),
        (["--results_dir", "{digits}", "--dataset", "cifar10"], "only of digits"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_command_errors_are_one_line(digits, tmp_path_factory, call, arguments, message):
    empty = tmp_path_factory.mktemp("empty")
    ended = call("report", *(argument.format(empty=empty, digits=digits) for argument in arguments))
    assert_is_one_line(ended, rf"^report\.py: error: .*{message}")
