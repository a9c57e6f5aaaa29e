"""A sweep of two tasks that take minutes, for a process that is interrupted."""

from pathlib import Path

from code_tasks import carried_out, coded
from dask_cluster import write_scripts

from noisylabels import cli
from noisylabels.sweep import executors
from noisylabels.system import signals


def sweep_of_long_tasks(folder, address):
    """Run the tasks at the address of a scheduler, or on this machine."""

    def run(_):
        root = Path(folder)
        scripts = write_scripts(root)
        runs = (
            executors.at_scheduler(address, None, 0, **scripts)
            if address
            else executors.on_this_machine(root, 2, 0)
        )
        if address:
            signals.LEAVING.append(runs.leave)
        code = f"import time; '{folder}/{{}}.txt'; time.sleep(600)"
        carried_out([coded(root, f"long{k}", code.format(k)) for k in (0, 1)], runs)

    cli.main(cli.Parser("sweep"), run, [])
