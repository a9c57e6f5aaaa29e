"""Plans: the expected work of each training, and the networks of a finished one."""

import pytest
from experiments import selecting
from helpers import CPU
from image_sets import class_folders

import INCV_main
from noisylabels.pipeline.load import load_noisy_data
from noisylabels.pipeline.plan import check_class_names, plan_training
from noisylabels.selection.processes import expected_work


def test_halves_of_later_iterations_take_longer(tmp_path):
    """They train on 0.5, then on about 0.7 of the 1,437 samples."""
    work = expected_work(selecting(tmp_path, "--INCV_epochs", 10, "--INCV_iter", 3))
    assert work == pytest.approx(
        {
            "INCV 1a": 7185,
            "INCV 1b": 7185,
            "INCV 2a": 10059,
            "INCV 2b": 10059,
            "INCV 3a": 10059,
            "INCV 3b": 10059,
        }
    )


@pytest.mark.parametrize(
    "flags, expected",
    [
        (["standard"], {"standard": 1}),
        (["decoupling"], {"decoupling": 2}),
        (["co_teaching"], {"co_teaching": 2.7}),
        (["incv"], {"incv": 1.5}),
        (["incv_student"], {"incv": 1.5, "incv_student": 1}),
        (["f_correction"], {"standard network": 1, "f_correction": 1}),
        (["f_correction", "--f_correction_T", "true"], {"f_correction": 1}),
    ],
)
def test_two_networks_take_longer_than_one(flags, expected, tmp_path):
    args = INCV_main.build_parser().parse_args(
        ["--epochs", "10", "--results_dir", str(tmp_path), "--method", *flags]
    )
    work = plan_training(args, load_noisy_data(args), args.method).work
    work = {name: value for name, value in work.items() if not name.startswith("INCV ")}
    assert work == pytest.approx({name: 14370 * cost for name, cost in expected.items()})
    assert list(work) == list(expected)


def finish_training(tmp_path):
    """Leave a finished training of standard; return its flags and its network."""
    flags = ["--method", "standard", "--results_dir", str(tmp_path)]
    args = INCV_main.build_parser().parse_args(flags)
    run = plan_training(args, load_noisy_data(args), "standard").run
    network = run.folder / "standard_1.keras"
    with run.session(lambda: CPU):
        for path in (*run.outputs, network):
            path.touch()
        run.finish([network])
    return flags, network


@pytest.mark.parametrize("script", ["INCV", "INCV_main"])
def test_networks_keep_their_class_names(script, call, no_tensorflow, tmp_path):
    """Refuse to write other class names next to the networks of another method."""
    class_folders(tmp_path / "own", ant=20, bee=20)
    flags = ["--dataset", tmp_path / "own", "--results_dir", tmp_path / "results"]
    folder = tmp_path / "results/own/given"
    folder.mkdir(parents=True)
    (folder / "classes.json").write_text('["ant", "bee"]')
    (folder / "gce_training.json").write_text("{}")
    (tmp_path / "own/ant").rename(tmp_path / "own/cat")
    ended = call(script, *flags)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "than own has now, and is still used by gce_training.json: use another" in ended.err
    args = INCV_main.build_parser().parse_args([*map(str, flags), "--method", "gce"])
    plan = plan_training(args, load_noisy_data(args), "gce")
    check_class_names(plan.experiment, plan.replaced)


def test_bad_networks_of_a_finished_training_are_reported(call, no_tensorflow, tmp_path):
    flags, network = finish_training(tmp_path)
    assert "keras" not in call("INCV_main", *flags).err
    network.write_text("other")
    said = f"warning: {network} is not the file that standard saved; --overwrite trains it again"
    assert said in call("INCV_main", *flags).err
    network.unlink()
    assert f"warning: {network} is missing; --overwrite" in call("INCV_main", *flags).err
