"""The choice of GPUs, and the one line for a GPU that does not work, with fake cards."""

import pytest

from noisylabels.errors import UserError
from noisylabels.system import gpu

BUILT = ["sm_60", "sm_70", "sm_80", "sm_89", "compute_90"]  # of TensorFlow 2.21's wheel


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Return machine(cards, driver), which fakes a number of cards and the driver's version."""

    def machine(cards, driver=None):
        monkeypatch.setattr(gpu, "gpus", lambda: cards)
        monkeypatch.setattr(gpu, "VERSION", tmp_path / "version")
        if driver:
            (tmp_path / "version").write_text(driver)

    machine(0)
    return machine


@pytest.mark.parametrize(
    "gpu_id, found, batch_size, chosen",
    [
        (None, "", 128, ""),
        (None, "ab", 128, "a"),
        ("-1", "ab", 128, ""),
        ("0,1", "", 128, ""),
        ("1", "", None, ""),
        ("1", "ab", None, "b"),
        ("0,1", "ab", 128, "ab"),
        ("1,0", "ab", 128, "ab"),
        ("1,1", "ab", None, "b"),
        ("1,3", "abcd", 128, "bd"),
        ("0,1,2", "abc", 33, "abc"),
    ],
)
def test_chosen_gpus(gpu_id, found, batch_size, chosen, machine, recwarn):
    machine(len(found))
    asked = gpu_id and gpu_id.encode().decode()  # another object, as a command line brings it
    assert "".join(gpu.choose(asked, found, batch_size)) == chosen
    assert not recwarn


@pytest.mark.parametrize(
    "gpu_id, found, batch_size, message",
    [
        ("2", "ab", 128, "argument --gpu_id: no GPU 2 (ids 0 to 1)"),
        ("0,3", "ab", 128, "argument --gpu_id: no GPU 3 (ids 0 to 1)"),
        (
            "2",
            "",
            None,
            "argument --gpu_id: no GPU 2 (this machine has none; leave it out to use the CPU)",
        ),
        (
            "0,2",
            "",
            128,
            "argument --gpu_id: no GPU 2 (this machine has none; leave it out to use the CPU)",
        ),
        (
            "7",
            "",
            128,
            "argument --gpu_id: no GPU 7 (this machine has none; leave it out to use the CPU)",
        ),
        (
            "0,1,2",
            "abc",
            128,
            "argument --batch_size: 3 GPUs cannot share 128 samples equally; give a multiple of 3",
        ),
    ],
)
def test_missing_gpu_is_an_error(gpu_id, found, batch_size, message, machine):
    machine(len(found))
    with pytest.raises(UserError) as error:
        gpu.choose(gpu_id, found, batch_size)
    assert str(error.value) == message


def test_whole_batches_use_the_first_gpu_and_warn(machine):
    machine(3)
    with pytest.warns(
        UserWarning, match="cannot share its batches: it uses only GPU 1 of 1,2 "
    ) as warned:
        assert gpu.choose("1,2", "abc", None) == ["b"]
    assert warned[0].filename == __file__  # it is of whoever asks


OLD = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.256.02  Thu May  2 14:37:44 UTC 2024\n"
    "GCC version:  9.4.0\n"
)
NEW = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.14  Release Build\n"
    "GCC version:  gcc 12.2.0\n"
)


@pytest.mark.parametrize(
    "driver, problem",
    [
        (
            OLD,
            "the NVIDIA driver 470.256.02 is too old for CUDA 12: install 525.60.13 or a newer one",
        ),
        (
            OLD.replace("470.256.02", "525.60.11"),
            "the NVIDIA driver 525.60.11 is too old for CUDA 12: install 525.60.13 or a newer one",
        ),
        *(
            (other, "TensorFlow finds none of this machine's 2 GPUs: run `make gpu`")
            for other in (
                OLD.replace("470.256.02", "525.60.13"),
                NEW,
                NEW.replace("550", "1550"),
                "?",
                None,
            )
        ),
    ],
)
def test_gpus_that_tensorflow_does_not_find(driver, problem, machine):
    """This is an error if a GPU was requested; otherwise a warning, and the CPU is used."""
    machine(2, driver)
    with pytest.raises(UserError) as error:
        gpu.choose("0", "")
    assert (
        str(error.value)
        == f"argument --gpu_id: {problem}, or give -1 for the CPU (docs/running.md)"
    )
    with pytest.warns(UserWarning) as warned:
        assert gpu.choose(None, "") == []
    assert (
        str(warned[0].message) == f"{problem}; the CPU is used (docs/running.md)"
        and warned[0].filename == __file__
    )


@pytest.mark.parametrize(
    "capability", [(6, 0), (6, 1), (7, 0), (7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (11, 9)]
)
def test_supported_compute_capabilities(capability):
    gpu.check_kernels("card", capability, BUILT)


def test_two_digit_compute_capability():
    gpu.check_kernels("card", (10, 3), ["sm_89", "sm_103"])
    with pytest.raises(UserError, match="compute capability 10.2"):
        gpu.check_kernels("card", (10, 2), ["sm_89", "sm_103"])


@pytest.mark.parametrize(
    "capability, built",
    [
        ((3, 5), BUILT),
        ((5, 2), BUILT),
        ((12, 0), BUILT),
        ((12, 1), BUILT),
        ((9, 0), BUILT[:-1]),
        ((8, 0), ["sm_86"]),
    ],
)
def test_unsupported_compute_capabilities(capability, built):
    with pytest.raises(UserError) as error:
        gpu.check_kernels("NVIDIA X", capability, built)
    number = ".".join(map(str, capability))
    assert str(error.value) == (
        f"argument --gpu_id: NVIDIA X has compute capability {number}, on which this TensorFlow, "
        f"built for {' '.join(built)}, does not run; give another one, or -1 for the CPU "
        "(docs/running.md)"
    )


@pytest.mark.parametrize(
    "error, said",
    [
        (
            RuntimeError("Couldn't invoke ptxas --version\nmore\n"),
            "Couldn't invoke ptxas --version; run `make gpu`, which brings ptxas, or ",
        ),
        (
            RuntimeError("'cuLaunchKernel' failed with 'CUDA_ERROR_INVALID_HANDLE'\n"),
            "'cuLaunchKernel' failed with 'CUDA_ERROR_INVALID_HANDLE'; ",
        ),
        (RuntimeError(), "RuntimeError; "),
        (RuntimeError("x" * 199 + "yz"), "x" * 199 + "y; "),
    ],
)
def test_gpu_that_does_not_compute_is_an_error(error, said):
    assert str(gpu.failed("NVIDIA X", error)) == (
        f"argument --gpu_id: NVIDIA X does not compute: {said}give another one, or -1 for the CPU "
        "(docs/running.md)"
    )
