"""Many runs of INCV_main.py, settings x methods x seeds, in one process, and the table of them.

    python sweep.py                                                 # the paper's table, on digits, seeds 0 to 2
    python sweep.py --dataset cifar10 --recipe fast --seeds 0 --settings sym:0.5

All other flags are INCV_main.py's and go to every run. A sweep that was stopped goes on where it stopped when the same
command is given again; a run that fails is named at the end, and the others go on.
"""
import sys
from itertools import product

import INCV_main
from noisylabels import cli
from noisylabels.methods import METHODS
from noisylabels.report import draw

SETTINGS = ("sym:0.2", "sym:0.5", "sym:0.8", "asym:0.4")            # the paper's four


def arguments():
    parser = cli.Parser(__doc__.splitlines()[0])
    parser.add_argument("--settings", nargs="+", default=SETTINGS, help="noise settings, each pattern:ratio")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="methods to run")
    parser.add_argument("--seeds", nargs="+", type=cli.number(int, 0), default=[0, 1, 2], help="seeds to run")
    return parser


def run(options, rest):
    """Runs all combinations; returns the command lines that failed. rest: arguments for every run."""
    calls = []
    for setting, seed, method in product(options.settings, options.seeds, options.methods):
        pattern, _, ratio = setting.partition(":")
        calls.append(["--noise_pattern", pattern, "--noise_ratio", ratio, "--seed", str(seed), "--method", method,
                      *rest])
    for call in calls:
        INCV_main.arguments().parse_args(call)                      # all are checked before the first begins
    failed = []
    for number, call in enumerate(calls, 1):
        print(f"\n[{number}/{len(calls)}] INCV_main.py {' '.join(call)}", flush=True)
        try:
            INCV_main.main(call)
        except SystemExit as stop:
            if stop.code == 130:
                raise
            failed += [call] if stop.code else []
    return failed


def main(argv=None):
    options, rest = arguments().parse_known_args(argv)
    failed = run(options, rest)
    args = INCV_main.arguments().parse_args(rest)
    paths = draw.summary(args.results_dir, args.dataset)
    print("\n" + (paths[1]).read_text())
    draw.print_paths(paths)
    for call in failed:
        print(f"failed: INCV_main.py {' '.join(call)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
