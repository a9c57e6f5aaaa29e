"""Tables and the report command on small results: whole, unfinished, damaged, foreign."""

import numpy as np
import pandas as pd
import pytest
from helpers import assert_is_one_line, names, run_command
from records import lines_of, write_training

from noisylabels.report import draw, read
from noisylabels.runs.folders import find_runs

pytestmark = [pytest.mark.runs, pytest.mark.usefixtures("without_figures")]


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


def test_epoch_of_f_correction_is_explained_only_with_its_row(digits):
    note = "F-correction: at the epoch with the lowest loss on held-out noisy labels."
    draw.summary(digits, "digits")
    assert note not in lines_of(digits / "digits/table.md")
    write_training(digits / "digits/sym/0.5", "f_correction", [0.5, 0.8])
    draw.summary(digits, "digits")
    assert note in lines_of(digits / "digits/table.md")


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
        draw.training_figures(digits / "digits/pair/0.5", "incv")


def test_nothing_is_drawn_without_results(tmp_path):
    (tmp_path / "digits/sym/0.5").mkdir(parents=True)
    assert draw.everything(tmp_path, "digits") == [] and draw.everything(tmp_path, "cifar10") == []
    assert list((tmp_path / "digits").iterdir()) == [tmp_path / "digits/sym"]


# -------------------------------------------------------------------------------------- the command


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
        (["--results_dir", "{digits}", ""], "--results_dir: an empty name is not a folder"),
        (["--results_dir", "{digits}", "--dataset", "cifar10"], "only of digits"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_command_errors_are_one_line(digits, tmp_path_factory, call, arguments, message):
    empty = tmp_path_factory.mktemp("empty")
    ended = call("report", *(argument.format(empty=empty, digits=digits) for argument in arguments))
    assert_is_one_line(ended, rf"^report\.py: error: .*{message}")
