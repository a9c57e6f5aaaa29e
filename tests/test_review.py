"""review.html in a real browser: Chromium, as Debian has it (apt-get install chromium chromium-driver)."""
import csv
import json
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL.JpegImagePlugin import get_sampling
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from noisylabels.report.read import Issues
from noisylabels.report.review import page, thumbnail

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1200,800"]
CLASSES = ["</script><script>document.title='broken'</script>", "<img src=x onerror=document.title='broken'>",
           'c,"d"\ne', "zebra", "zebu"]
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
    """The page of some issues, opened for the first time: opened(given, suggested, classes, more), all its parts."""
    def opened(given=GIVEN, suggested=SUGGESTED, classes=CLASSES, shown=5000, side=8):
        n, names = len(given), np.array(classes, dtype=object)
        frame = pd.DataFrame({
            "index": np.arange(n)[::-1], "file": [f"{k} <b>.png" for k in range(n)], "given_label": names[given],
            "predicted_label": names[suggested], "label_score": np.linspace(.001, .9, n),
            "is_label_issue": np.not_equal(given, suggested)})
        images = np.random.default_rng(0).integers(0, 256, (n, side, side, 3), np.uint8)
        path = tmp_path / "review.html"
        path.write_text(page("a & b", Issues(frame, classes), images, str(tmp_path).encode(), shown), encoding="utf-8")
        browser.get(path.as_uri())
        return browser
    yield opened
    assert browser.get_log("browser") == []             # no error, and nothing that the page's own policy forbids


def press(browser, *keys, held=None):
    chain = ActionChains(browser)
    if held:
        chain.key_down(held)
    chain.send_keys(*keys)
    if held:
        chain.key_up(held)
    chain.perform()


def marks(browser):
    """What stands on each card."""
    return browser.execute_script("return [...document.querySelectorAll('.mark')].map(mark => mark.textContent)")


def text(browser, name):
    return browser.find_element(By.ID, name).get_property("textContent")


def decisions(browser, folder):
    """The rows of the CSV that the button gives."""
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    browser.find_element(By.ID, "download").click()
    deadline, path = time.monotonic() + 20, folder / "decisions.csv"
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(.05)
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    path.unlink()
    assert rows[0] == ["index", "file", "given_label", "decision", "new_label"]
    return rows[1:]


def test_names_are_text_and_nothing_comes_from_elsewhere(opened):
    browser = opened()
    assert browser.title == "Review of labels: a & b"
    cards = browser.find_elements(By.CLASS_NAME, "card")
    assert [card.find_elements(By.TAG_NAME, "div")[0].get_property("textContent") for card in cards] == [
        f"{CLASSES[given]} → {CLASSES[suggested]}" for given, suggested in zip(GIVEN, SUGGESTED)]
    assert cards[0].get_attribute("title") == "0 <b>.png"
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 2 and not browser.find_elements(By.CSS_SELECTOR, "b")
    assert browser.execute_script("return performance.getEntriesByType('resource')"
                                  ".filter(entry => !entry.name.startsWith('data:')).length") == 0
    assert browser.execute_script("return [...document.images].every(image => image.complete && image.naturalWidth)")
    assert "All 8 labels, worst first. Of these 7 are issues." == text(browser, "more")


def test_every_key(opened, tmp_path):
    """Each goes on to the next image; Z takes back one after the other, and goes back there."""
    browser = opened()
    press(browser, "k", "d", "u", Keys.ENTER, "5", Keys.ARROW_RIGHT, Keys.ARROW_LEFT, "1")
    assert marks(browser) == ["keep", "drop", "unsure", f"→ {CLASSES[0]}", "→ zebu", f"→ {CLASSES[0]}", "", ""]
    assert text(browser, "count") == "6 of 8 decided"
    press(browser, "z", "z")
    assert marks(browser)[3:6] == [f"→ {CLASSES[0]}", "", ""]
    press(browser, "k", "r", "zebr", Keys.ENTER)                # a typed name, by as much of it as tells it from others
    assert marks(browser)[4:6] == ["keep", "→ zebra"]
    press(browser, "r", "zeb", Keys.ENTER)
    assert text(browser, "problem").startswith("No class, or several") and marks(browser)[6] == ""
    press(browser, Keys.ESCAPE, Keys.END, Keys.ENTER)           # what is suggested is what is given
    assert marks(browser)[6:] == ["", "keep"]
    assert decisions(browser, tmp_path) == [
        ["0", "7 <b>.png", CLASSES[0], "keep", ""], ["2", "5 <b>.png", "zebu", "relabel", "zebra"],
        ["3", "4 <b>.png", "zebra", "keep", ""], ["4", "3 <b>.png", 'c,"d"\ne', "relabel", CLASSES[0]],
        ["5", "2 <b>.png", CLASSES[1], "unsure", ""], ["6", "1 <b>.png", CLASSES[0], "drop", ""],
        ["7", "0 <b>.png", CLASSES[0], "keep", ""]]


def test_progress_survives_closing_the_page(opened):
    browser = opened()
    press(browser, "k", "4")
    browser.get("about:blank")
    opened()
    assert marks(browser)[:3] == ["keep", "→ zebra", ""] and text(browser, "count") == "2 of 8 decided"


def test_progress_on_a_longer_page_survives_a_shorter_one(opened):
    browser = opened()
    press(browser, Keys.END, "k")
    browser.get("about:blank")
    opened(shown=4)
    press(browser, "d")
    assert (marks(browser), text(browser, "count")) == (["drop", "", "", ""], "1 of 4 decided")
    browser.get("about:blank")
    opened()
    assert marks(browser) == ["drop", "", "", "", "", "", "", "keep"]


def test_chosen_cards_look_so_when_they_are_drawn_later(opened):
    browser = opened(*np.random.default_rng(0).integers(0, 5, (2, 500)))
    drawn = len(marks(browser))
    press(browser, "a", held=Keys.CONTROL)
    browser.execute_script("document.getElementById('end').scrollIntoView()")
    deadline = time.monotonic() + 20
    while len(marks(browser)) == drawn and time.monotonic() < deadline:
        time.sleep(.05)
    assert text(browser, "chosen") == "500 images chosen" and len(marks(browser)) > drawn
    assert {card.get_attribute("aria-selected") for card in browser.find_elements(By.CLASS_NAME, "card")} == {"true"}


def test_the_keys_act_on_several(opened):
    browser = opened()
    press(browser, Keys.ARROW_RIGHT)
    press(browser, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, held=Keys.SHIFT)
    assert text(browser, "chosen") == "3 images chosen"
    press(browser, "d")
    assert marks(browser) == ["", "drop", "drop", "drop", "", "", "", ""]
    assert browser.find_element(By.CLASS_NAME, "current").get_attribute("title") == "3 <b>.png"       # it stays there
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


def test_a_cell_of_the_map_filters(opened, tmp_path):
    """A second click shows all again. Decisions are of the filtered images."""
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
    browser.find_element(By.CSS_SELECTOR, "#by-state option[value=none]").click()
    assert len(marks(browser)) == 7


def test_everything_can_be_reached_and_has_a_name(opened):
    """By Tab alone; what has the focus is outlined."""
    browser = opened()
    reached = []
    for _ in range(80):
        press(browser, Keys.TAB)
        active = browser.switch_to.active_element
        if active.tag_name != "body":
            outline = active.value_of_css_property("outline-style")
            reached.append((active.get_property("outerHTML")[:150], active.accessible_name, outline))
    found = "".join(html for html, *_ in reached)
    assert all(name for _, name, _ in reached) and {outline for *_, outline in reached} == {"solid"}
    names = [f'id="{name}"' for name in ("list", "download", "name", "by-given", "by-suggested", "by-state", "clear")]
    names += [f'data-do="{action}"' for action in ("accept", "keep", "drop", "unsure", "undo")]
    assert [name for name in [*names, 'data-pair="2 0"'] if name not in found] == []


def test_digits_are_called_by_their_names(opened):
    """Not by their place: the third class of digits is 2."""
    browser = opened([0, 1], [1, 0], list("0123456789"))
    press(browser, "3", "0")
    assert marks(browser) == ["→ 3", "→ 0"]


def test_five_thousand(opened):
    """Some are drawn, others when they are come to; how many are not there is said."""
    rng = np.random.default_rng(0)
    browser = opened(*rng.integers(0, 300, (2, 6000)), [f"class {k}" for k in range(300)], side=32)
    assert text(browser, "more").startswith("The 5,000 labels most probably wrong; 1,000 more are not on this page.")
    assert 100 < len(marks(browser)) < 1000
    press(browser, "d", Keys.END, "k")
    assert (len(marks(browser)), marks(browser)[-1], text(browser, "count")) == (5000, "keep", "2 of 5,000 decided")
    assert 20 < len(browser.find_elements(By.CSS_SELECTOR, "#pairs button")) < 100        # in place of 90,000 cells


# ---------------------------------------------------------------------------------------------------- without a browser


def test_what_is_in_the_page():
    frame = pd.DataFrame({"index": [1, 0], "file": ["</script>", "&lt;"], "given_label": ["<!--", "b"],
                          "predicted_label": ["b", "b"], "label_score": [.1, .2], "is_label_issue": [True, False]})
    html = page("x", Issues(frame, ["<!--", "b"]), np.zeros((2, 8, 8, 1), np.uint8), b"1")
    (inside,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html)
    data = json.loads(inside)
    assert not set("<>&") & set(inside) and html.count("</script>") == 2
    assert [row[:5] for row in data["rows"]] == [[1, "</script>", 0, 1, .1], [0, "&lt;", 1, 1, .2]]
    assert "http" not in html.replace("http-equiv", "")
    assert page("x", Issues(frame, ["<!--", "b"]), np.zeros((2, 8, 8, 1), np.uint8), b"2").count(data["digest"]) == 0


@pytest.mark.parametrize("shape, kind, size", [
    ((8, 8, 1), "png", (8, 8)), ((32, 32, 3), "jpeg", (32, 32)), ((300, 200, 3), "jpeg", (64, 96)),
    ((10, 500, 1), "jpeg", (96, 2)), ((16, 16, 3), "png", (16, 16)), ((16, 17, 3), "jpeg", (17, 16))])
def test_thumbnails(shape, kind, size):
    import base64
    import io

    from PIL import Image

    image = np.full(shape, 200, np.uint8)
    start, content = thumbnail(image).split(",")
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    assert start == f"data:image/{kind};base64" and picture.size == size
    assert picture.mode == ("L" if shape[2] == 1 else "RGB") and abs(int(np.asarray(picture).mean()) - 200) < 3
    if kind == "jpeg":                                              # of quality 88: finer than 87, coarser than 89
        assert picture.quantization[0][:3] == [4, 3, 2] and (shape[2] == 1 or get_sampling(picture) == 0)


@pytest.mark.parametrize("size, small", [((64, 64), True), ((64, 8), True), ((65, 8), False), ((8, 65), False)])
def test_images_of_up_to_64_pixels_are_enlarged_as_they_are(size, small):
    assert data_of(np.zeros((70, *size, 1), np.uint8))["small"] is small


def test_the_page_has_five_thousand_at_most_and_says_how_many_more_there_are(monkeypatch):
    monkeypatch.setattr("noisylabels.report.review.thumbnail", lambda image: "")
    for n, shown, more in ((5000, 5000, 0), (5002, 5000, 2)):
        data = data_of(np.zeros((n, 1, 1, 1), np.uint8))
        assert (len(data["rows"]), data["more"], data["issues"]) == (shown, more, shown // 2)
    assert data["rows"][1] == [1, "1.png", 0, 0, .123457, ""] and len(data["digest"]) == 16


def data_of(images):
    """What is in the page of these images, of which the first and every second other have a wrong label."""
    n = min(len(images), 5002)
    frame = pd.DataFrame({"index": range(n), "file": [f"{k}.png" for k in range(n)], "given_label": "a",
                          "predicted_label": "a", "label_score": .1234567, "is_label_issue": False})
    frame.loc[:4999:2, "is_label_issue"] = True
    html = page("x", Issues(frame, ["a"]), images, b"1")
    return json.loads(re.search(r'id="data">(.*?)</script>', html)[1])
