"""The pages: their links lead somewhere, and they explain what the scripts write."""
import re

import pandas as pd
import pytest
from helpers import ROOT, SCRIPTS

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
