"""The pages: working links, and an explanation of everything that the scripts write."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT, SCRIPTS

from noisylabels.methods import PAPER_METHODS, title_of

PAGES = [
    path
    for folder in (".", "docs", "data", "results", "results/record/digits", "benchmarks")
    for path in sorted((ROOT / folder).glob("*.md"))
]
DIGITS = ROOT / "results/record/digits"
SETTINGS = (("sym", 0.2), ("sym", 0.5), ("sym", 0.8), ("asym", 0.4))


def f_score(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall)


def anchors(page):
    """Return the names that a page's headings have in links to them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"(?ms)^```.*?^```", "", page.read_text()), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_in_docs_exist(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            other = (page.parent / path).resolve() if path else page
            assert other.exists() and (not anchor or anchor in anchors(other)), target


def test_tests_named_in_docs_exist():
    known = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    named_tests = {
        name for page in PAGES for name in re.findall(r"`(test_\w+\.py)`", page.read_text())
    }
    assert named_tests and named_tests <= known


def named(column):
    """Return the name of a column in docs/outputs.md."""
    return re.sub(r"_[12]$", "_k", column)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_column_is_explained(script, finished):
    """Columns of runs.csv are mostly arguments, named like their flags, and packages."""
    folder, _ = finished(script)
    explained = set(re.findall(r"`([\w-]+)`", (ROOT / "docs/outputs.md").read_text()))
    paths = [
        path
        for path in folder.rglob("*.csv")
        if path.name not in ("runs.csv", "Verify_Theory_M.csv")
    ]
    assert paths
    for path in paths:
        columns = {named(column) for column in pd.read_csv(path)}
        if path.name == "table.csv":
            columns = {
                column if column == "final_mean" else re.sub("_(mean|std)$", "", column)
                for column in columns
            }
        assert columns <= explained | {"final"}, path


@pytest.mark.parametrize("name", ["table.md", "INCV.md"])
def test_page_of_digits_shows_generated_tables(name):
    lines = (DIGITS / name).read_text().splitlines()
    table = "\n".join(line for line in lines if line.startswith("|"))
    assert f"\n\n{table}\n\n" in (DIGITS / "README.md").read_text()


@pytest.mark.parametrize(
    "run, title",
    [("INCV", "INCV"), ("elr_training", "ELR"), ("incv_student_training", "INCV student")],
)
def test_f_scores_of_digits_match_records(run, title):
    cells = []
    for pattern, ratio in SETTINGS:
        paths = [*(DIGITS / pattern / str(ratio)).rglob(f"{run}.json")]
        results = pd.DataFrame([json.loads(path.read_text())["results"] for path in paths])
        assert len(results) == 3
        cells.append(f"{f_score(results.LP.mean(), results.LR.mean()):.3f}")
    assert f"| {title} | {' | '.join(cells)} |" in (DIGITS / "README.md").read_text()


def test_theory_of_digits_is_as_close_as_stated():
    runs = pd.read_csv(DIGITS / "Verify_Theory.csv")
    assert len(runs) == 22 and (abs(runs.TA - runs.TA_theory) <= 0.05).all()


def issue_scores(name: str, score: str) -> dict[str, list[float]]:
    """Return each finder's mean score at the four settings."""
    runs = pd.read_csv(ROOT / f"benchmarks/{name}_label_issues.csv")
    means = runs.groupby(["finder", "noise"])[score].mean()
    return {
        finder: [means[finder, f"{pattern} {ratio}"] for pattern, ratio in SETTINGS]
        for finder in runs.finder.unique()
    }


LAST_ITERATION = {"digits": "INCV, 4 iterations", "cifar10": "INCV, all iterations"}
CLEANLAB, NEIGHBOURS = "cleanlab find_label_issues", "10 nearest neighbours"


@pytest.mark.parametrize("name, title", [("digits", "digits"), ("cifar10", "CIFAR-10")])
def test_comparison_with_cleanlab_matches_csv(name, title):
    f1, text = issue_scores(name, "issue_F1"), (ROOT / "benchmarks/README.md").read_text()
    for label, finder in (
        ("INCV, 1 iteration", "INCV, 1 iteration"),
        ("INCV, 4 iterations", LAST_ITERATION[name]),
        ("cleanlab", CLEANLAB),
        ("10 nearest neighbours", NEIGHBOURS),
    ):
        if finder not in f1:  # it is measured on digits and embeddings
            continue
        cells = [f"{score:.3f}" for score in f1[finder]]
        assert f"| {title} | {label} | {' | '.join(cells)} |" in text, finder


ON_EMBEDDINGS = {
    "CIFAR-10": [("cifar10", f"{pattern} {ratio}") for pattern, ratio in SETTINGS],
    "CIFAR-10N, human labels": [
        (f"cifar10n, {key}", "given") for key in ("aggre_label", "random_label1", "worse_label")
    ],
    "3,000 photographs of flowers": [
        ("flowers", f"{pattern} {ratio}") for pattern, ratio in SETTINGS
    ],
}


def test_tables_and_claims_on_embeddings_match_csv():
    runs = pd.read_csv(ROOT / "benchmarks/embeddings_label_issues.csv")
    means = runs.groupby(["dataset", "noise", "finder"]).mean(numeric_only=True)
    f1, ranking = means.issue_F1, means.issue_average_precision
    text = (ROOT / "benchmarks/README.md").read_text()
    for title, settings in ON_EMBEDDINGS.items():
        table = text.partition(f"| {title} |")[2].partition("\n\n")[0]
        for name, finder in (
            ("INCV, 1 iteration", "INCV, 1 iteration"),
            ("INCV, 4 iterations", "INCV, 4 iterations"),
            ("cleanlab", CLEANLAB),
            ("10 nearest neighbours", NEIGHBOURS),
        ):
            cells = [
                f"{f1[(*each, finder)]:.3f} / {ranking[(*each, finder)]:.3f}" for each in settings
            ]
            assert f"| {name} | {' | '.join(cells)} |" in table, (title, name)
    settings = sum(ON_EMBEDDINGS.values(), [])
    last = "INCV, 4 iterations"
    lost = [
        each
        for each in settings
        if f1[(*each, last)] < max(f1[(*each, CLEANLAB)], f1[(*each, NEIGHBOURS)])
    ]
    assert lost == [("flowers", "sym 0.8")] and "highest F1 in 10 of 11 settings" in text
    assert all(f1[(*each, last)] > f1[(*each, CLEANLAB)] for each in settings)
    behind = [ranking[(*each, CLEANLAB)] - ranking[(*each, last)] for each in settings]
    assert sum(value > 0 for value in behind) == 5 and max(behind) < 0.0085
    assert "in 5 of 11 settings, by at most 0.008" in text


def test_table_of_classifiers_on_digits_matches_csv():
    runs = pd.read_csv(ROOT / "benchmarks/digits_classifiers.csv")
    iterations = runs[runs.finder.str.startswith("INCV")]
    last = iterations.groupby(["classifier", "noise", "seed"]).tail(1)
    means = last.groupby(["classifier", "noise"]).issue_F1.mean()
    text = (ROOT / "benchmarks/README.md").read_text().partition("## Classifiers on embeddings")[2]
    table = text.partition("| digits |")[2].partition("\n\n")[0]
    scores = {}
    for name in ("ridge", "linear", "mlp"):
        scores[name] = [means[name, f"{pattern} {ratio}"] for pattern, ratio in SETTINGS]
        assert f"| `{name}` | {' | '.join(f'{score:.3f}' for score in scores[name])} |" in table
    assert all(ridge > max(others) for ridge, *others in zip(*scores.values(), strict=True))


def test_claims_about_cleanlab_match_csvs():
    embeddings = pd.read_csv(ROOT / "benchmarks/embeddings_label_issues.csv").pivot_table(
        "issue_F1", ["dataset", "noise"], "finder"
    )
    on_embeddings = sum(embeddings["INCV, 4 iterations"] > embeddings[CLEANLAB])
    leads = {"issue_F1": 0, "issue_average_precision": 0}
    for score in leads:
        for name, last in LAST_ITERATION.items():
            scores = issue_scores(name, score)
            leads[score] += sum(np.array(scores[last]) > scores[CLEANLAB])
    readme, page = (ROOT / "README.md").read_text(), (ROOT / "benchmarks/README.md").read_text()
    wins = leads["issue_F1"] + on_embeddings
    assert f"INCV has the higher F1 in {wins} of {8 + len(embeddings)} measured" in readme
    assert f"higher F1 in {leads['issue_F1']} of 8 settings" in page
    assert leads["issue_average_precision"] == 8
    f1 = issue_scores("cifar10", "issue_F1")
    ours, cleanlab = f1[LAST_ITERATION["cifar10"]][1], f1[CLEANLAB][1]
    assert f"F1 of {ours:.3f}" in readme and f"cleanlab reaches {cleanlab:.3f}" in readme


def test_readme_table_matches_record():
    table, text = (
        pd.read_csv(ROOT / "results/jpeg/cifar10/table.csv"),
        (ROOT / "README.md").read_text(),
    )
    table = table[table.method.isin(PAPER_METHODS) & table.differs.isna()].set_index(
        ["method", "pattern", "ratio"]
    )
    for method in PAPER_METHODS:
        cells = []
        for setting in SETTINGS:
            row = table.loc[(method, *setting)]
            published = "–" if pd.isna(row.published_mean) else f"{100 * row.published_mean:.2f}"
            cells.append(f"{100 * row.final_mean:.2f} / {published}")
        assert f"| {title_of(method)} | {' | '.join(cells)} |" in text, method
