"""Division of the machine between the two halves of a selection."""

from noisylabels.system import hardware

TWO_TRAININGS = 3e9  # bytes of free memory for two parallel trainings


def share_machine(
    parallel: str, gpu_id: str | None, threads: int | None
) -> tuple[tuple[str | None, ...], int]:
    """Decide whether two halves train in parallel, and on which GPUs and threads.

    Parameters
    ----------
    parallel : {"auto", "on", "off"}
        "auto" means parallel if there are two GPUs, or two cores without a GPU. The free memory
        must suffice for two trainings.
    gpu_id : str or None
        See `training.device.start_tensorflow`.
    threads : int or None
        Threads per training. By default an equal share of the cores.

    Returns
    -------
    gpu_ids : tuple
        GPU ids of each process. A half uses the same number of GPUs in sequence as in parallel,
        because its batches are divided among them.
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
