"""review.html in Chromium, from Debian's chromium and chromium-driver."""

import csv
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from noisylabels.data.image_source import ArrayImages, FileImages
from noisylabels.report.read_issues import Issues
from noisylabels.report.review import page
from noisylabels.selection.reliability import assess

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


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not (CHROMIUM.exists() and DRIVER.exists()):
        pytest.skip(f"no {CHROMIUM} or {DRIVER} here")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, tmp_path):
    """Return a function that opens the page of some issues for the first time."""

    def opened(
        given=GIVEN, suggested=SUGGESTED, classes=CLASSES, shown=5000, side=8, source=None, **more
    ):
        n, names = len(given), np.array(classes, dtype=object)
        frame = pd.DataFrame(
            {
                "index": np.arange(n)[::-1],
                "file": [f"{k} <b>.png" for k in range(n)],
                "given_label": names[given],
                "predicted_label": names[suggested],
                "label_score": np.linspace(0.001, 0.9, n),
                "is_label_issue": np.not_equal(given, suggested),
                "duplicate_group": more.pop("groups", -1),
                "duplicate_conflict": more.pop("conflict", False),
            }
        )
        images = np.random.default_rng(0).integers(0, 256, (n, side, side, 3), np.uint8)
        path = tmp_path / "review.html"
        html = page("a & b", Issues(frame, classes), source or ArrayImages(images), shown, **more)
        path.write_text(html, encoding="utf-8")
        browser.get(path.as_uri())
        kept_from_before(browser)
        return browser

    (tmp_path / "empty.html").write_text("")
    browser.get((tmp_path / "empty.html").as_uri())
    browser.execute_script("localStorage.clear()")  # of other tests
    yield opened
    # no error, and nothing that the page's own policy forbids
    assert browser.get_log("browser") == []


def kept_from_before(browser):
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


def test_names_are_text_and_nothing_is_loaded(opened):
    browser = opened()
    assert browser.title == "Review of labels: a & b"
    cards = browser.find_elements(By.CLASS_NAME, "card")
    assert [
        card.find_elements(By.TAG_NAME, "div")[0].get_property("textContent") for card in cards
    ] == [f"{CLASSES[given]} → {CLASSES[suggested]}" for given, suggested in zip(GIVEN, SUGGESTED)]
    assert cards[0].get_attribute("title") == "0 <b>.png"
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 2 and not browser.find_elements(
        By.CSS_SELECTOR, "b"
    )
    assert (
        browser.execute_script(
            "return performance.getEntriesByType('resource')"
            ".filter(entry => !entry.name.startsWith('data:')).length"
        )
        == 0
    )
    assert browser.execute_script(
        "return [...document.querySelectorAll('aside img, main img')]"
        ".every(image => image.complete && image.naturalWidth)"
    )
    assert "All 8 labels, worst first. Of these 7 are issues." == text(browser, "more")


def test_every_key(opened, tmp_path):
    """Each key moves to the next image; Z undoes one after the other."""
    browser = opened()
    press(browser, "k", "d", "u", Keys.ENTER, "5", Keys.ARROW_RIGHT, Keys.ARROW_LEFT, "1")
    assert marks(browser) == [
        "keep",
        "drop",
        "unsure",
        f"→ {CLASSES[0]}",
        "→ zebu",
        f"→ {CLASSES[0]}",
        "",
        "",
    ]
    assert text(browser, "count") == "6 of 8 decided"
    press(browser, "z", "z")
    assert marks(browser)[3:6] == [f"→ {CLASSES[0]}", "", ""]
    press(
        browser, "k", "r", "zebr", Keys.ENTER
    )  # a typed name, by as much of it as tells it from others
    assert marks(browser)[4:6] == ["keep", "→ zebra"]
    press(browser, "r", "zeb", Keys.ENTER)
    assert text(browser, "problem").startswith("No class, or several") and marks(browser)[6] == ""
    press(browser, Keys.ESCAPE, Keys.END, Keys.ENTER)  # what is suggested is what is given
    assert marks(browser)[6:] == ["", "keep"]
    assert decisions(browser, tmp_path) == [
        ["0", "7 <b>.png", CLASSES[0], "keep", ""],
        ["2", "5 <b>.png", "zebu", "relabel", "zebra"],
        ["3", "4 <b>.png", "zebra", "keep", ""],
        ["4", "3 <b>.png", 'c,"d"\ne', "relabel", CLASSES[0]],
        ["5", "2 <b>.png", CLASSES[1], "unsure", ""],
        ["6", "1 <b>.png", CLASSES[0], "drop", ""],
        ["7", "0 <b>.png", CLASSES[0], "keep", ""],
    ]


def test_progress_survives_closing_the_page(opened):
    browser = opened()
    press(browser, "k", "4")
    browser.get("about:blank")
    opened()
    assert (
        marks(browser)[:3] == ["keep", "→ zebra", ""] and text(browser, "count") == "2 of 8 decided"
    )


def test_progress_survives_a_shorter_page(opened):
    browser = opened()
    press(browser, Keys.END, "k")
    browser.get("about:blank")
    opened(shown=4)
    press(browser, "d")
    assert marks(browser) == ["drop", "", "", ""]
    assert text(browser, "count") == "1 of 4 decided; 1 decision of a longer page not in the file"
    browser.get("about:blank")
    opened()
    assert marks(browser) == ["drop", "", "", "", "", "", "", "keep"]


def test_two_tabs_lose_no_decision(opened):
    """Simulate what another tab stored, and the browser's event; the first card is sample 7."""
    browser = opened()
    press(browser, "k")
    browser.execute_script("""
        const decided = { 7: ["drop", null], 0: ["keep", null], 900: ["keep", null] };
        localStorage.setItem(KEY, JSON.stringify(decided));
        dispatchEvent(new StorageEvent("storage", { key: KEY }));""")
    assert marks(browser) == ["drop", *[""] * 6, "keep"]
    press(browser, "u")
    browser.get("about:blank")
    opened()
    assert marks(browser) == ["drop", "unsure", *[""] * 5, "keep"]
    assert text(browser, "count") == "3 of 8 decided; 1 decision of a longer page not in the file"


def test_chosen_cards_are_marked_when_drawn_later(opened):
    browser = opened(*np.random.default_rng(0).integers(0, 5, (2, 500)))
    drawn = len(marks(browser))
    press(browser, "a", held=Keys.CONTROL)
    browser.execute_script("document.getElementById('end').scrollIntoView()")
    deadline = time.monotonic() + 20
    while len(marks(browser)) == drawn and time.monotonic() < deadline:
        time.sleep(0.05)
    assert text(browser, "chosen") == "500 images chosen" and len(marks(browser)) > drawn
    assert {
        card.get_attribute("aria-selected") for card in browser.find_elements(By.CLASS_NAME, "card")
    } == {"true"}


def test_large_screen_is_filled_after_a_filter(opened):
    browser = opened(*np.random.default_rng(0).integers(0, 5, (2, 1500)))
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 8000, "height": 9500, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        for button in ("#by-given option[value='0']", "#clear"):
            browser.execute_script("document.querySelector(arguments[0]).click()", button)
            browser.execute_script(
                "document.getElementById('by-given').dispatchEvent(new Event('change'))"
            )
        deadline = time.monotonic() + 20
        while len(marks(browser)) < 1500 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(marks(browser)) == 1500
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_keys_act_on_several_chosen_cards(opened):
    browser = opened()
    press(browser, Keys.ARROW_RIGHT)
    press(browser, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, held=Keys.SHIFT)
    assert text(browser, "chosen") == "3 images chosen"
    press(browser, "d")
    assert marks(browser) == ["", "drop", "drop", "drop", "", "", "", ""]
    assert (
        browser.find_element(By.CLASS_NAME, "current").get_attribute("title") == "3 <b>.png"
    )  # it stays there
    press(browser, "z")
    assert set(marks(browser)) == {""}
    press(browser, "a", held=Keys.CONTROL)
    press(browser, Keys.ENTER)
    assert marks(browser) == [*(f"→ {CLASSES[k]}" for k in SUGGESTED[:7]), "keep"]
    press(browser, "z")
    cards = browser.find_elements(By.CLASS_NAME, "card")
    cards[2].click()
    ActionChains(browser).key_down(Keys.CONTROL).click(cards[5]).key_up(Keys.CONTROL).perform()
    press(browser, "u")
    assert marks(browser) == ["", "", "unsure", "", "", "unsure", "", ""]
    cards[0].click()
    for _ in range(2):  # chosen, and not: the large image is the one that is left
        ActionChains(browser).key_down(Keys.CONTROL).click(cards[3]).key_up(Keys.CONTROL).perform()
    assert text(browser, "file") == "0 <b>.png"
    press(browser, "d")
    assert marks(browser) == ["drop", "", "unsure", "", "", "unsure", "", ""]


def test_click_on_a_matrix_cell_filters(opened, tmp_path):
    """A second click shows all again; decisions apply to the filtered images."""
    browser = opened()
    cell = browser.find_element(By.CSS_SELECTOR, "[data-pair='2 0']")
    assert cell.get_property("textContent") == "2"
    browser.execute_script("arguments[0].scrollIntoView()", cell)
    cell.click()
    assert len(marks(browser)) == 2 and text(browser, "found") == "2 images"
    assert cell.get_attribute("aria-pressed") == "true"
    browser.find_element(By.CSS_SELECTOR, "[data-do=drop]").click()
    assert marks(browser) == ["drop", ""]
    cell.click()
    assert marks(browser) == ["", "", "", "drop", "", "", "", ""]
    press(browser, Keys.ENTER)  # and does not click on the cell again
    assert marks(browser)[0] == f"→ {CLASSES[1]}" and text(browser, "found") == "8 images"
    press(browser, "z")
    browser.find_element(By.CSS_SELECTOR, "#by-state option[value=none]").click()
    assert len(marks(browser)) == 7


def test_matrix_is_coloured_only_off_the_diagonal(opened):
    """The most frequent difference has the full colour."""
    browser = opened([0] * 50 + [2, 2, 0], [0] * 50 + [0, 0, 1])
    colors = [
        browser.find_element(By.CSS_SELECTOR, f"[data-pair='{pair}']").value_of_css_property(
            "background-color"
        )
        for pair in ("0 0", "0 1", "2 0")
    ]
    assert [float(color.rpartition(",")[2].strip(" )")) for color in colors] == pytest.approx(
        [0, 0.38, 0.68], abs=0.01
    )


@pytest.mark.parametrize(
    "given, suggested, title, pairs",
    [
        (
            [5] * 9 + [7, 7, 1],
            [5] * 9 + [8, 8, 2],
            "Most frequent pairs, given → suggested",
            ["class 7 → class 8 (2)", "class 1 → class 2 (1)"],
        ),
        ([5, 6], [5, 6], "No suggestion differs from its label", []),
    ],
)
def test_many_classes_are_listed_as_pairs(given, suggested, title, pairs, opened):
    browser = opened(given, suggested, [f"class {k}" for k in range(31)])
    buttons = browser.find_elements(By.CSS_SELECTOR, "#pairs button")
    assert (
        text(browser, "map-title") == title
        and [button.get_property("textContent") for button in buttons] == pairs
    )


def test_keys_act_on_images_after_a_button_click(opened, tmp_path):
    browser = opened()
    browser.find_element(By.ID, "clear").click()
    press(browser, Keys.ENTER)
    assert [mark != "" for mark in marks(browser)] == [True] + [False] * 7
    decisions(browser, tmp_path)
    press(browser, Keys.ENTER)
    assert [mark != "" for mark in marks(browser)] == [True] * 2 + [False] * 6


def test_everything_is_reachable_by_tab_and_named(opened):
    """The focused element is outlined."""
    browser = opened()
    reached = []
    for _ in range(80):
        press(browser, Keys.TAB)
        active = browser.switch_to.active_element
        if active.tag_name != "body":
            outline = active.value_of_css_property("outline-style")
            reached.append(
                (active.get_property("outerHTML")[:150], active.accessible_name, outline)
            )
    found = "".join(html for html, *_ in reached)
    assert all(name for _, name, _ in reached) and {outline for *_, outline in reached} == {"solid"}
    names = [
        f'id="{name}"'
        for name in ("list", "download", "name", "by-given", "by-suggested", "by-state", "clear")
    ]
    names += [f'data-do="{action}"' for action in ("accept", "keep", "drop", "unsure", "undo")]
    assert [name for name in [*names, 'data-pair="2 0"'] if name not in found] == []


def test_digit_keys_use_class_names(opened):
    """The third class of digits is 2, not 3."""
    browser = opened([0, 1], [1, 0], list("0123456789"))
    press(browser, "3", "0")
    assert marks(browser) == ["→ 3", "→ 0"]


def test_five_thousand_images(opened):
    """Draw some at first and others on scrolling; show how many are missing."""
    rng = np.random.default_rng(0)
    browser = opened(*rng.integers(0, 300, (2, 6000)), [f"class {k}" for k in range(300)], side=32)
    assert text(browser, "more").startswith(
        "The 5,000 labels most probably wrong; 1,000 more are not on this page."
    )
    assert 100 < len(marks(browser)) < 1000
    press(browser, "d", Keys.END, "k")
    assert (len(marks(browser)), marks(browser)[-1], text(browser, "count")) == (
        5000,
        "keep",
        "2 of 5,000 decided",
    )
    assert (
        20 < len(browser.find_elements(By.CSS_SELECTOR, "#pairs button")) < 100
    )  # in place of 90,000 cells


def test_decisions_outlast_another_order_of_the_images(opened):
    """As of a page after a further iteration: duplicates with two labels come first here."""
    browser = opened()
    press(browser, "k", "d", "4")
    browser.get("about:blank")
    two = {"groups": [-1] * 6 + [0, 0], "conflict": [False] * 6 + [True] * 2}
    opened(**two)
    assert marks(browser) == ["", "", "keep", "drop", "→ zebra", "", "", ""]


def test_the_original_file_is_linked_and_enlarged(opened, tmp_path):
    """The thumbnail stands in for a file that is gone, or that no browser shows."""
    files = ["0 #.png", "1.png", *[f"{k}.png" for k in range(2, 8)]]
    for k, name in enumerate(files):
        Image.new("RGB", (600, 300), (20 * k, 0, 0)).save(tmp_path / name)
    browser = opened(source=FileImages(tmp_path, files))
    (tmp_path / "6.png").unlink()

    def zoomed():
        """The width of the enlarged image; 0 until it is there, False without one."""
        return browser.execute_script(
            "const [zoom, image] = ['zoom', 'zoomed'].map(id => document.getElementById(id));"
            "return zoom.open && image.complete && image.naturalWidth"
        )

    card = browser.find_element(By.CSS_SELECTOR, ".card img")
    assert card.get_property("naturalWidth") == 160 and card.size["width"] >= 160
    link = browser.find_element(By.ID, "file")
    assert link.get_property("href") == (tmp_path / "7.png").as_uri() and not zoomed()
    press(browser, Keys.SPACE)
    wait_until(lambda: zoomed() == 600)
    press(browser, Keys.ARROW_RIGHT)
    wait_until(lambda: zoomed() == 160)
    press(browser, "d", Keys.SPACE)
    assert not zoomed() and marks(browser)[:3] == ["", "drop", ""]
    browser.find_element(By.ID, "enlarge").click()
    wait_until(lambda: zoomed() == 600)
    browser.find_element(By.ID, "zoomed").click()
    assert not zoomed()
    (message,) = browser.get_log("browser")
    assert "6.png" in message["message"] and "ERR_FILE_NOT_FOUND" in message["message"]


def test_duplicates_are_listed_and_filtered(opened):
    two = {
        "groups": [3, -1, -1, 3, 8, 8, -1, -1],
        "conflict": [True, *[False] * 2, True, *[False] * 4],
    }
    browser = opened([0, 0, 1, 2, 3, 3, 2, 0], **two)
    assert text(browser, "same-title") == "1 duplicate, with different labels:"
    assert text(browser, "same").startswith('c,"d"') and "3 <b>.png" in text(browser, "same")
    badges = browser.find_elements(By.CSS_SELECTOR, ".card .two")
    assert len(badges) == 2
    choice = Select(browser.find_element(By.ID, "by-same"))
    choice.select_by_value("0")
    assert text(browser, "found") == "4 images"
    choice.select_by_value("1")
    assert text(browser, "found") == "2 images"


def test_without_duplicates_there_is_no_filter_for_them(opened):
    browser = opened()
    assert not browser.find_element(By.ID, "by-same").is_displayed()
    assert not browser.find_element(By.ID, "same-part").is_displayed()
    assert not browser.find_element(By.ID, "doubt").is_displayed()


def test_the_page_says_at_the_top_that_the_model_cannot_judge(opened):
    judged = assess(np.zeros(200, int), np.arange(200) % 5, CLASSES, 0.8)
    browser = opened(reliability=judged, notes=["Written after iteration 1 of 4."])
    banner = browser.find_element(By.ID, "doubt")
    assert banner.is_displayed() and banner.text.startswith("This model cannot judge these labels")
    assert len(banner.find_elements(By.TAG_NAME, "li")) == len(judged.reasons) > 1
    assert judged.remedy in banner.text and browser.title == "Review of labels: a & b"
    assert text(browser, "caution").startswith("Written after iteration 1 of 4.")
