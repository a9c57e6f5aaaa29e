"""Keys and decisions of review.html in Chromium."""

import pytest
from review_browser import CLASSES, GIVEN, SUGGESTED, decisions, marks, press, text
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.runs
LEFT_OUT = "the file leaves out 1 decision on images that are not on this page"


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
    assert "All 8 labels, worst first; 7 are label issues." == text(browser, "more")


def test_each_key_decides_and_z_undoes(opened, tmp_path):
    """Each key moves to the next image."""
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
    assert text(browser, "count") == f"1 of 4 decided; {LEFT_OUT}"
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
    assert text(browser, "count") == f"3 of 8 decided; {LEFT_OUT}"


def test_keys_act_on_several_chosen_cards(opened):
    browser = opened()
    press(browser, Keys.ARROW_RIGHT)
    press(browser, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, held=Keys.SHIFT)
    assert text(browser, "chosen") == "3 images selected"
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
    """Key 3 chooses class 3, which is the fourth class of digits."""
    browser = opened([0, 1], [1, 0], list("0123456789"))
    press(browser, "3", "0")
    assert marks(browser) == ["→ 3", "→ 0"]


def test_decisions_outlast_another_order_of_the_images(opened):
    """A later page may have another order, here with conflicting duplicates first."""
    browser = opened()
    press(browser, "k", "d", "4")
    browser.get("about:blank")
    two = {"groups": [-1] * 6 + [0, 0], "conflict": [False] * 6 + [True] * 2}
    opened(**two)
    assert marks(browser) == ["", "", "keep", "drop", "→ zebra", "", "", ""]
