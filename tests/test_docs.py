"""The pages: their links lead somewhere, and they explain what the scripts write."""
import re

import pandas as pd
import pytest
from helpers import ROOT, SCRIPTS

from noisylabels.methods import title_of

PAGES = [path for folder in (".", "docs", "data", "results") for path in sorted((ROOT / folder).glob("*.md"))]


def anchors(page):
    """The names that a page's headings have in links to them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"(?ms)^```.*?^```", "", page.read_text()), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            other = (page.parent / path).resolve() if path else page
            assert other.exists() and (not anchor or anchor in anchors(other)), target


def named(column):
    """A column as docs/files.md names it."""
    return re.sub(r"_[12]$", "_k", column)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_column_is_explained(script, finished):
    """Those of runs.csv are mostly arguments, each under the name of its flag, and packages."""
    folder, _ = finished(script)
    explained = set(re.findall(r"`([\w-]+)`", (ROOT / "docs/files.md").read_text()))
    paths = [path for path in folder.rglob("*.csv") if path.name not in ("runs.csv", "Verify_Theory_M.csv")]
    assert paths
    for path in paths:
        columns = {named(column) for column in pd.read_csv(path)}
        if path.name == "table.csv":
            columns = {column if column == "final_mean" else re.sub("_(mean|std)$", "", column) for column in columns}
        assert columns <= explained | {"final"}, path


@pytest.mark.parametrize("page, name", [
    ("docs/results.md", "digits_table"), ("docs/methods.md", "digits_after_2019_table")])
def test_a_table_of_digits_is_that_of_its_csv(page, name):
    table, text = pd.read_csv(ROOT / f"docs/{name}.csv"), (ROOT / page).read_text()
    for method, rows in table.groupby("method"):
        cells = [f"{100 * row.final_mean:.2f} ± {100 * row.final_std:.2f}" for row in rows.itertuples()]
        assert [*zip(rows.pattern, rows.ratio)] == [("sym", .2), ("sym", .5), ("sym", .8), ("asym", .4)]
        assert f"| {title_of(method)} | {' | '.join(cells)} |" in text, method


def test_what_elr_and_the_student_say_of_the_labels_is_that_of_its_csv():
    runs, text = pd.read_csv(ROOT / "docs/digits_after_2019_labels.csv"), (ROOT / "docs/methods.md").read_text()
    means = runs.groupby(["run", "pattern", "ratio"])[["LP", "LR", "labels_right"]].mean()
    for run, title in (("INCV", "INCV"), ("elr_training", "ELR"), ("incv_student_training", "INCV student")):
        cells = []
        for setting in (("sym", .2), ("sym", .5), ("sym", .8), ("asym", .4)):
            LP, LR, right = means.loc[(run, *setting)]
            cells.append(f"{LP:.3f} / {LR:.3f}" + f" / {right:.3f}" * (right == right))
        assert f"| {title} | {' | '.join(cells)} |" in text, run


@pytest.mark.parametrize("name", ["digits", "cifar10"])
def test_the_table_of_who_finds_wrong_labels_is_that_of_its_csv(name):
    runs, text = pd.read_csv(ROOT / f"docs/{name}_label_issues.csv"), (ROOT / "docs/label_issues.md").read_text()
    means = runs.groupby(["finder", "noise"])[["issue_precision", "issue_recall", "issue_average_precision"]].mean()
    for finder in runs.finder.unique():
        cells = [" / ".join(f"{value:.3f}".lstrip("0") for value in means.loc[finder, noise])
                 for noise in ("sym 0.2", "sym 0.5", "sym 0.8", "asym 0.4")]
        assert f"| {finder} | {' | '.join(cells)} |" in text, finder
