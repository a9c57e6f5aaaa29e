"""What review.html shows in Chromium: filters, many images, large images, duplicates."""

import time

import numpy as np
import pytest
from PIL import Image
from review_browser import CLASSES, marks, press, text, wait_until
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from noisylabels.data.image_source import FileImages
from noisylabels.selection.reliability import assess

pytestmark = pytest.mark.runs


@pytest.mark.slow
def test_chosen_cards_are_marked_when_drawn_later(opened):
    browser = opened(*np.random.default_rng(0).integers(0, 5, (2, 500)))
    drawn = len(marks(browser))
    press(browser, "a", held=Keys.CONTROL)
    browser.execute_script("document.getElementById('end').scrollIntoView()")
    deadline = time.monotonic() + 20
    while len(marks(browser)) == drawn and time.monotonic() < deadline:
        time.sleep(0.05)
    assert text(browser, "chosen") == "500 images selected" and len(marks(browser)) > drawn
    assert {
        card.get_attribute("aria-selected") for card in browser.find_elements(By.CLASS_NAME, "card")
    } == {"true"}


@pytest.mark.slow
def test_large_screen_is_filled_after_a_filter(opened):
    browser = opened(*np.random.default_rng(0).integers(0, 5, (2, 1500)), list("abcde"))
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


@pytest.mark.parametrize("c", [2, 31])
def test_long_class_names_are_shown_whole(c, opened):
    names = [f"Tomato___a_disease_of_leaves_with_a_name_that_is_far_too_long_{k}" for k in range(c)]
    browser = opened([0, 1, 1], [1, 0, 1], names)
    parts = "return [...document.querySelectorAll('aside, .card div')]"
    cut = browser.execute_script(f"{parts}.filter(part => part.scrollWidth > part.clientWidth)")
    assert not cut and browser.find_element(By.CSS_SELECTOR, ".card").text.count("Tomato") == 2


@pytest.mark.slow
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


def test_the_original_file_is_linked_and_enlarged(opened, tmp_path):
    """The thumbnail replaces a file that is missing or that the browser cannot show."""
    files = ["0 #.png", "1.png", *[f"{k}.png" for k in range(2, 8)]]
    for k, name in enumerate(files):
        Image.new("RGB", (600, 300), (20 * k, 0, 0)).save(tmp_path / name)
    browser = opened(source=FileImages(tmp_path, files))
    (tmp_path / "6.png").unlink()

    def zoomed():
        """Return the width of the enlarged image: 0 until it has loaded, False without one."""
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
    assert not browser.find_element(By.ID, "warning").is_displayed()


def test_the_page_says_at_the_top_that_the_model_cannot_judge(opened):
    judged = assess(np.zeros(200, int), np.arange(200) % 5, CLASSES, 0.8)
    browser = opened(reliability=judged, notes=["Written after iteration 1 of 4."])
    banner = browser.find_element(By.ID, "warning")
    assert banner.is_displayed() and banner.text.startswith("This model cannot judge these labels")
    assert len(banner.find_elements(By.TAG_NAME, "li")) == len(judged.reasons) > 1
    assert judged.remedy in banner.text and browser.title == "Review of labels: a & b"
    assert text(browser, "caution").startswith("Written after iteration 1 of 4.")
