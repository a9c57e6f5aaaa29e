"""Measure how many random one-line changes of the code the tests detect (mutation testing).

    python -m venv mutation && mutation/bin/pip install cosmic-ray==8.7.0
    mutation/bin/python benchmarks/mutants.py --number 100 --jobs 2 --output mutants.csv

The changes come from the operators of cosmic-ray. Positions in the scripts, models/ and
noisylabels/ are drawn at random, and one of the possible changes at each. Type annotations are left
out. Each change is applied to a clone of the last commit and tested there: first by the tests that
name its module, then by all of `make test`.

Writes a CSV with one row per change: number, file, line, change, survived, and the first test that
failed. The same command continues an interrupted measurement. Some survivors do not change the
behaviour; a person has to judge them.
"""

import argparse
import csv
import os
import random
import re
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import count, islice
from pathlib import Path
from queue import Queue
from typing import Any, NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names
from parso.tree import NodeOrLeaf, search_ancestor

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ["number", "file", "line", "change", "survived", "failed"]
FAST_TESTS, RUN_TESTS = "not slow and not runs", "not slow and runs"  # pytest markers
TIMEOUT = 1800  # seconds per call of pytest
NO_TESTS_COLLECTED = 5  # exit code of pytest

Position = tuple[tuple[int, int], tuple[int, int]]  # line and column of start and end


class Change(NamedTuple):
    """A changed line of a file."""

    number: int
    file: str
    line: int
    description: str
    source: str  # of the whole changed file


def possible_changes(source: str) -> dict[Position, list[tuple[str, int, int]]]:
    """Return all changes of a Python source: (operator, occurrence, line) by position."""
    found: dict[Position, list[tuple[str, int, int]]] = {}
    tree = get_ast(source)
    for name in operator_names():
        if get_operator(name).arguments():
            continue  # such operators need arguments, for example variable names
        positions = [
            p for node in ast_nodes(tree) for p in positions_in(get_operator(name)(), node)
        ]
        for occurrence, (position, is_annotation) in enumerate(positions):
            if not is_annotation:
                found.setdefault(position, []).append((name, occurrence, position[0][0]))
    return found


def positions_in(operator: Operator, node: NodeOrLeaf) -> list[tuple[Position, bool]]:
    """Return the positions of a node that an operator changes, and whether it is an annotation."""
    in_annotation = search_ancestor(node, "tpdef", "annassign") is not None
    is_annotation = in_annotation and "|" in node.get_code()
    return [(position, is_annotation) for position in operator.mutation_positions(node)]


def draw_changes(seed: int) -> Iterator[Change]:
    """Yield random changes, one per position, in an order that the seed determines."""
    command = ["git", "ls-files", "*.py"]
    listing = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout
    sources = {
        file: (ROOT / file).read_text(encoding="utf-8")
        for file in sorted(listing.splitlines())
        if not file.startswith(("tests/", "benchmarks/"))
    }
    positions = [
        (file, changes)
        for file, source in sources.items()
        for changes in possible_changes(source).values()
    ]
    rng, numbers = random.Random(seed), count()
    for file, changes in rng.sample(positions, len(positions)):
        name, occurrence, line = rng.choice(changes)
        try:
            changed = mutate_code(sources[file], get_operator(name)(), occurrence)
            compile(changed, file, "exec")
        except (AttributeError, SyntaxError):
            continue  # some operators fail at some positions, or return invalid Python
        old, new = sources[file].splitlines(), changed.splitlines()
        i = next((i for i, (a, b) in enumerate(zip(old, new)) if a != b), line - 1)
        description = f"{old[i].strip()} -> {new[i].strip()}"
        yield Change(next(numbers), file, line=i + 1, description=description, source=changed)


def first_failure(clone: Path, file: str) -> str:
    """Return the first test that fails in a clone whose file was changed, or "" if all pass."""
    stem = Path(file).stem
    if stem == "__init__":
        stem = Path(file).parent.name
    tests = (clone / "tests").rglob("test_*.py")
    related = [
        str(path.relative_to(clone))
        for path in sorted(tests, key=lambda path: (stem not in path.name, path))
        if re.search(rf"\b{stem}\b", path.read_text(encoding="utf-8"))
    ]
    others = [f"--ignore={path}" for path in related]
    selections = [[*others, "-m", FAST_TESTS], ["-m", RUN_TESTS]]
    if related:
        selections.insert(0, [*related, "-m", FAST_TESTS])
    for selection in selections:
        try:
            ended = subprocess.run(
                [".venv/bin/python", "-m", "pytest", "-x", "-p", "no:cacheprovider", *selection],
                cwd=clone,
                text=True,
                capture_output=True,
                timeout=TIMEOUT,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            )
        except subprocess.TimeoutExpired:
            return f"the tests do not end within {TIMEOUT // 60} minutes"
        if ended.returncode not in (0, NO_TESTS_COLLECTED):
            failed = re.search(r"^(?:FAILED|ERROR) (\S+)", ended.stdout, re.MULTILINE)
            return failed[1] if failed else "the tests cannot be collected"
    return ""


def evaluate_change(clones: Queue[Path], change: Change) -> dict[str, Any]:
    """Apply a change to a free clone, test it, undo it, and return its row of the CSV."""
    clone = clones.get()
    path = clone / change.file
    original = path.read_text(encoding="utf-8")
    path.write_text(change.source, encoding="utf-8")
    failed = first_failure(clone, change.file)
    path.write_text(original, encoding="utf-8")
    clones.put(clone)
    return {
        "number": change.number,
        "file": change.file,
        "line": change.line,
        "change": change.description,
        "survived": not failed,
        "failed": failed,
    }


def clone_project(folder: Path, jobs: int) -> Queue[Path]:
    """Clone the last commit into a folder, once per job."""
    clones: Queue[Path] = Queue()
    for job in range(jobs):
        clone = folder / str(job)
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        (clone / ".venv").symlink_to(ROOT / ".venv")
        clones.put(clone)
    return clones


def main(args: argparse.Namespace) -> None:
    """Test the changes that are missing in the CSV, and print how many the tests detect."""
    with (
        open(args.output, "a+", newline="", encoding="utf-8") as file,
        tempfile.TemporaryDirectory() as folder,
    ):
        file.seek(0)
        rows = list(csv.DictReader(file))
        writer = csv.DictWriter(file, COLUMNS)
        if not rows:
            writer.writeheader()
        clones = clone_project(Path(folder), args.jobs)
        tested = {int(row["number"]) for row in rows}
        drawn = islice(draw_changes(args.seed), args.number)
        changes = [change for change in drawn if change.number not in tested]
        with ThreadPoolExecutor(args.jobs) as pool:
            futures = [pool.submit(evaluate_change, clones, change) for change in changes]
            for future in as_completed(futures):
                row = future.result()
                writer.writerow(row)
                file.flush()
                rows.append(row)
                outcome = row["failed"] or "SURVIVED"
                print(f"{row['number']} {row['file']}:{row['line']} {outcome}")
                print(f"    {row['change']}", flush=True)
    survivors = sum(str(row["survived"]) == "True" for row in rows)
    print(f"{len(rows) - survivors} of {len(rows)} changes detected")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--number", type=int, default=100, help="number of changes")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the changes")
    parser.add_argument("--jobs", type=int, default=1, help="number of changes tested in parallel")
    parser.add_argument(
        "--output", type=Path, default=Path("mutants.csv"), help="CSV to write or to continue"
    )
    main(parser.parse_args())
