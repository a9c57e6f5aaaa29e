"""How the two halves of a selection share the machine."""

from noisylabels.system import hardware

TWO_TRAININGS = 3e9  # bytes of free memory for two trainings side by side


def share_machine(
    parallel: str, gpu_id: str | None, threads: int | None
) -> tuple[tuple[str | None, ...], int]:
    """Decide whether two halves train side by side, and on what.

    Parameters
    ----------
    parallel : {"auto", "on", "off"}
        "auto": side by side with two GPUs, or without a GPU but with two cores, and enough memory.
    gpu_id : str or None
        See `training.device.start_tensorflow`.
    threads : int or None
        Threads per training; None for an equal share of the cores.

    Returns
    -------
    gpu_ids : tuple
        One GPU id per process. A half uses as many GPUs alone as side by side, because they share
        its batches.
    threads : int
        Threads per training.
    """
    found = hardware.gpus()
    ids = gpu_id.split(",") if gpu_id else [str(k) for k in range(min(2, found))]
    half = len(ids) // 2
    on_cpu = gpu_id == "-1" or not found
    has_two = hardware.cores() > 1 if on_cpu else len(ids) > 1
    enough = has_two and hardware.free_memory() > TWO_TRAININGS
    if parallel == "off" or (parallel == "auto" and not enough):
        one = gpu_id and ",".join(ids[: max(1, half)])
        return (one,), threads or hardware.cores()
    pair = gpu_id, gpu_id
    if not on_cpu and half:
        pair = ",".join(ids[:half]), ",".join(ids[half : 2 * half])
    return pair, threads or max(1, hardware.cores() // 2)
