"""Fixtures of the report: small results, and review.html in a browser."""

import functools
import json

import pytest
from records import write_training

from noisylabels.recipes import RECIPES


@pytest.fixture
def digits(tmp_path):
    """Return results of sym 0.5: INCV with two seeds and an unfinished third, Standard with one."""
    folder = tmp_path / "digits/sym/0.5"
    write_training(
        folder,
        "incv",
        [0.5, 0.96, 0.90],
        [0.5, 0.92, 0.86],
        {"kept": 64, "kept_precision_1": 0.9, "kept_precision_2": 0.8},
    )
    write_training(folder / "seed1", "incv", [0.5, 0.94, 0.94], [0.5, 0.94, 0.94])
    arguments = {
        "dataset": "digits",
        "data": "a",
        "recipe": "digits",
        **RECIPES["digits"]["main"].values,
        "epochs": 3,
    }
    for path in (folder, folder / "seed1"):
        (path / "incv_training.json").write_text(
            json.dumps({"arguments": arguments, "sessions": [], "finished": True})
        )
    write_training(folder / "seed2", "incv", [0.1], [0.1], finished=False)
    write_training(folder, "standard", [0.5, 0.7, 0.6])
    return tmp_path


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    from review_browser import start_chromium

    driver = start_chromium(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, tmp_path):
    """Return a function that opens the page of some issues for the first time."""
    from review_browser import forget, open_page

    forget(browser, tmp_path)
    yield functools.partial(open_page, browser, tmp_path)
    # no error, and nothing that the page's own policy forbids
    assert browser.get_log("browser") == []
