"""Do the tests notice? Random one-line changes of the code, by cosmic-ray's operators, each under the tests.

    python -m venv mutation && mutation/bin/pip install cosmic-ray==8.7.0
    mutation/bin/python benchmarks/mutants.py --number 100 --jobs 2 --output mutants.csv

Draws places of the scripts, models/ and noisylabels/ at random, and of each one of the changes that can be made there;
annotations are left out. Each is tried in a clone of the last commit: first by the tests that name its module, then by
all of `make test`. Writes a CSV, a row a change: number, file, line, change, survived, and the test that failed on it.
The same command goes on where it was stopped. Whether a survivor changes anything is for a person to say.
"""
import argparse
import csv
import os
import random
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import count, islice
from pathlib import Path
from queue import Queue

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from parso.tree import search_ancestor

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ["number", "file", "line", "change", "survived", "failed"]
QUICK, OTHERS = "not slow and not runs", "not slow and runs"


def mutants(source):
    """{place in a Python source: [(operator's name, its occurrence, line)]}, all changes that can be made."""
    found, tree = {}, get_ast(source)
    for name in operator_names():
        if get_operator(name).arguments():
            continue                                        # such as the names of variables, which nobody gave
        places = [place for node in ast_nodes(tree) for place in places_of(get_operator(name)(), node)]
        for occurrence, (place, annotation) in enumerate(places):
            if not annotation:
                found.setdefault(place, []).append((name, occurrence, place[0][0]))
    return found


def places_of(operator, node):
    annotation = search_ancestor(node, "tpdef", "annassign") is not None and "|" in node.get_code()
    return [(place, annotation) for place in operator.mutation_positions(node)]


def drawn(seed):
    """The changes, in the order in which the seed draws them: (number, file, line, what is changed, new source)."""
    files = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, text=True, capture_output=True, check=True).stdout
    sources = {file: (ROOT / file).read_text(encoding="utf-8") for file in sorted(files.splitlines())
               if not file.startswith(("tests/", "benchmarks/"))}
    places = [(file, changes) for file, source in sources.items() for changes in mutants(source).values()]
    rng, numbers = random.Random(seed), count()
    for file, changes in rng.sample(places, len(places)):
        name, occurrence, line = rng.choice(changes)
        try:
            changed = mutate_code(sources[file], get_operator(name)(), occurrence)
            compile(changed, file, "exec")
        except (AttributeError, SyntaxError):               # some operators fail at some places, or make no Python
            continue
        old, new = sources[file].splitlines(), changed.splitlines()
        differ = next((i for i, (a, b) in enumerate(zip(old, new)) if a != b), line - 1)
        yield next(numbers), file, differ + 1, f"{old[differ].strip()} -> {new[differ].strip()}", changed


def first_failure(clone, file):
    """The first test that fails in a clone whose file has been changed, or "" if all pass."""
    stem = Path(file).stem if Path(file).stem != "__init__" else Path(file).parent.name
    tests = sorted((clone / "tests").glob("test_*.py"), key=lambda path: (stem not in path.name, path))
    near = [str(path.relative_to(clone)) for path in tests
            if re.search(rf"\b{stem}\b", path.read_text(encoding="utf-8"))]
    others = [f"--ignore={path}" for path in near]
    for arguments in [[*near, "-m", QUICK]] * bool(near) + [[*others, "-m", QUICK], ["-m", OTHERS]]:
        try:
            ended = subprocess.run([".venv/bin/python", "-m", "pytest", "-x", "-p", "no:cacheprovider", *arguments],
                                   cwd=clone, text=True, capture_output=True, timeout=1800,
                                   env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        except subprocess.TimeoutExpired:
            return "none ends within half an hour"
        if ended.returncode not in (0, 5):                  # 5: none was selected
            failed = re.search(r"^(?:FAILED|ERROR) (\S+)", ended.stdout, re.MULTILINE)
            return failed[1] if failed else "the tests cannot be collected"
    return ""


def try_out(clones, change):
    """The CSV's row of a change."""
    number, file, line, text, source = change
    clone = clones.get()
    original = (clone / file).read_text(encoding="utf-8")
    (clone / file).write_text(source, encoding="utf-8")
    failed = first_failure(clone, file)
    (clone / file).write_text(original, encoding="utf-8")
    clones.put(clone)
    return dict(zip(COLUMNS, (number, file, line, text, not failed, failed)))


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--number", type=int, default=100, help="of changes")
    parser.add_argument("--seed", type=int, default=0, help="of their draw")
    parser.add_argument("--jobs", type=int, default=1, help="how many are tried at a time")
    parser.add_argument("--output", type=Path, default=Path("mutants.csv"), help="the CSV to write, or to go on with")
    args = parser.parse_args()
    with open(args.output, "a+", newline="", encoding="utf-8") as file, tempfile.TemporaryDirectory() as folder:
        file.seek(0)
        rows = list(csv.DictReader(file))
        writer = csv.DictWriter(file, COLUMNS)
        if not rows:
            writer.writeheader()
        clones = Queue()
        for job in range(args.jobs):
            clone = Path(folder) / str(job)
            subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
            (clone / ".venv").symlink_to(ROOT / ".venv")
            clones.put(clone)
        tried = {int(row["number"]) for row in rows}
        changes = [change for change in islice(drawn(args.seed), args.number) if change[0] not in tried]
        with ThreadPoolExecutor(args.jobs) as pool:
            for done in as_completed([pool.submit(try_out, clones, change) for change in changes]):
                row = done.result()
                writer.writerow(row)
                file.flush()
                rows.append(row)
                print(f"{row['number']} {row['file']}:{row['line']} {row['failed'] or 'SURVIVED'}\n    {row['change']}",
                      flush=True)
    survivors = sum(str(row["survived"]) == "True" for row in rows)
    print(f"{len(rows) - survivors} of {len(rows)} noticed")


if __name__ == "__main__":
    main()
