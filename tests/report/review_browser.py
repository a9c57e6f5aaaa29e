"""review.html in Chromium, from Debian's chromium and chromium-driver."""

import csv
import time
from pathlib import Path

import numpy as np
import pytest
from review_issues import issues_of
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from noisylabels.data.image_source import ArrayImages
from noisylabels.report.review import render_page

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,800",
]

CLASSES = [
    "</script><script>document.title='broken'</script>",
    "<img src=x onerror=document.title='broken'>",
    'c,"d"\ne',
    "zebra",
    "zebu",
]

GIVEN, SUGGESTED = [0, 0, 1, 2, 3, 4, 2, 0], [1, 1, 2, 0, 4, 3, 0, 0]


def start_chromium(profile):
    """Return Chromium without a window; its profile is in this folder."""
    if not (CHROMIUM.exists() and DRIVER.exists()):
        pytest.skip(f"no {CHROMIUM} or {DRIVER} here")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in [*FLAGS, f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService(str(DRIVER)))


def forget(browser, folder):
    """Remove what pages of earlier tests have stored."""
    (folder / "empty.html").write_text("")
    browser.get((folder / "empty.html").as_uri())
    browser.execute_script("localStorage.clear()")


def open_page(
    browser,
    folder,
    given=GIVEN,
    suggested=SUGGESTED,
    classes=CLASSES,
    shown=5000,
    side=8,
    source=None,
    groups=-1,
    conflict=False,
    **more,
):
    """Write review.html of some issues, worst first, and open it for the first time."""
    n = len(given)
    issues = issues_of(
        given,
        suggested,
        classes,
        file=[f"{k} <b>.png" for k in range(n)],
        label_score=np.linspace(0.001, 0.9, n),
        duplicate_group=groups,
        duplicate_conflict=conflict,
    )
    images = np.random.default_rng(0).integers(0, 256, (n, side, side, 3), np.uint8)
    path = folder / "review.html"
    path.write_text(
        render_page("a & b", issues, source or ArrayImages(images), shown, **more), encoding="utf-8"
    )
    browser.get(path.as_uri())
    wait_for_storage(browser)
    return browser


def wait_for_storage(browser):
    """Reload a page until it has what earlier pages stored, since a busy Chromium may lose it."""
    deadline, url = time.monotonic() + 20, browser.current_url
    while browser.execute_script("return localStorage.getItem('kept')") is None:
        assert time.monotonic() < deadline, "Chromium keeps nothing"
        browser.execute_script("localStorage.setItem('kept', 'yes')")
        browser.get("about:blank")
        browser.get(url)


def press(browser, *keys, held=None):
    chain = ActionChains(browser)
    if held:
        chain.key_down(held)
    chain.send_keys(*keys)
    if held:
        chain.key_up(held)
    chain.perform()


def marks(browser):
    """Return the mark on each card."""
    return browser.execute_script(
        "return [...document.querySelectorAll('.mark')].map(mark => mark.textContent)"
    )


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def text(browser, name):
    return browser.find_element(By.ID, name).get_property("textContent")


def decisions(browser, folder):
    """Return the rows of the CSV that the button saves."""
    browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
    )
    browser.find_element(By.ID, "download").click()
    deadline, path = time.monotonic() + 20, folder / "decisions.csv"
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    path.unlink()
    assert rows[0] == ["index", "file", "given_label", "decision", "new_label"]
    return rows[1:]
