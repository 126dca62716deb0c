"""The page in a real browser: headless Chromium, where there is one."""

import shutil

import pytest
from report_runs import HOSTILE, PROSE, records, refine, write

from prox.report.comparison import write_comparison
from prox.report.report import write_report

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import presence_of_element_located
from selenium.webdriver.support.ui import Select, WebDriverWait

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (Debian: chromium-driver)"
)


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    long = "\n".join([*HOSTILE, *(f"{PROSE} {number}" for number in range(100_000))])
    hostile = {"id": HOSTILE[0], "text": long, "url": "https://hostile.example/"}
    source = write(folder / "p.jsonl", [*records(), hostile])
    refine(source, folder / "c4", level="chunk")
    refine(source, folder / "other", "rules:refinedweb", level="chunk")
    return write_report(str(folder / "c4")), write_comparison(str(folder / "c4"), str(folder / "other"))


def items(browser):
    return browser.find_elements(By.CSS_SELECTOR, "#list li")


def title(browser):
    return browser.find_element(By.CSS_SELECTOR, "#document h3").text


def press(browser, keys):
    browser.find_element(By.TAG_NAME, "body").send_keys(keys)


def test_documents_are_chosen_by_filters_and_search(browser, paths):
    browser.get(f"file://{paths[0]}")
    assert len(items(browser)) == 41 and title(browser) == "page-0"
    Select(browser.find_element(By.ID, "domain")).select_by_value("site-2.example")
    assert len(items(browser)) == 8
    browser.find_element(By.ID, "query").send_keys("page 7 has")
    assert len(items(browser)) == 1 and title(browser) == "page-7"
    browser.find_element(By.ID, "query").send_keys(" no such thing")
    assert not items(browser) and "No document fits" in browser.find_element(By.ID, "document").text
    assert not browser.get_log("browser")


def test_keys_go_from_document_to_document_and_the_address_names_it(browser, paths):
    browser.get(f"file://{paths[0]}")
    press(browser, "jj")
    assert title(browser) == "page-2" and browser.current_url.endswith("#d=page-2")
    press(browser, "k")
    assert title(browser) == "page-1"
    press(browser, "/")
    assert browser.switch_to.active_element.get_attribute("id") == "query"
    browser.get(f"file://{paths[0]}#d=page-9")
    browser.refresh()
    assert title(browser) == "page-9"
    removed = browser.find_elements(By.CSS_SELECTOR, "#document del")
    assert [each.text for each in removed] == ["Home", "Log in", "Read 9 comments", "Privacy policy"]
    assert browser.find_element(By.CSS_SELECTOR, "#document mark").text == "[9]"


def test_the_address_follows_what_is_shown(browser, paths):
    browser.get(f"file://{paths[0]}")
    press(browser, "j")
    browser.find_element(By.ID, "query").send_keys("page 7 has")
    assert title(browser) == "page-7" and browser.current_url.endswith("#d=page-7")
    browser.find_element(By.ID, "query").send_keys(" no such thing")
    assert browser.current_url.endswith("#documents")
    browser.get(f"file://{paths[0]}#d=%3Cb%3Enobody")
    browser.refresh()
    assert "“<b>nobody” is not among the 41 documents" in browser.find_element(By.ID, "document").text
    assert not browser.get_log("browser")


def test_a_link_to_a_line_shows_it_in_the_middle_of_a_long_document(browser, paths, tmp_path):
    lines = [f"{PROSE} {number}." for number in range(3_000)]
    lines[1_500] = "You need javascript to read this line of prose, of which nobody knows why it had to go away."
    refine(write(tmp_path / "p.jsonl", [{"id": "long", "text": "\n".join(lines)}]), tmp_path / "out", level="chunk")
    browser.get(f"file://{write_report(str(tmp_path / 'out'))}")
    browser.find_element(By.CSS_SELECTOR, "#removed .wide a").click()
    shown = presence_of_element_located((By.CSS_SELECTOR, "#document .pointed"))
    pointed = WebDriverWait(browser, 30).until(shown)  # the page hears of a new address after the click
    assert "1500" in pointed.text and "nobody knows why" in pointed.text
    place = pointed.rect["y"] - browser.execute_script("return window.scrollY")
    assert 0 <= place <= browser.execute_script("return window.innerHeight")
    assert not browser.get_log("browser")


def test_the_title_of_the_next_document_is_in_sight(browser, paths):
    """Story: from the end of the page, j showed it below the links that stay on top."""
    browser.get(f"file://{paths[0]}")
    browser.execute_script("document.querySelector('#run').scrollIntoView()")
    press(browser, "j")
    bounds = "return document.querySelector('%s').getBoundingClientRect().%s"
    title, links = (browser.execute_script(bounds % each) for each in (("#document h3", "top"), ("nav", "bottom")))
    assert title >= links


def test_keys_go_from_edit_to_edit(browser, paths):
    browser.get(f"file://{paths[0]}#d=page-9")
    browser.refresh()

    def pointed():
        (row,) = browser.find_elements(By.CSS_SELECTOR, "#document .pointed")
        return row.get_attribute("data-line")

    for keys, line in (("n", "0"), ("n", "9"), ("nn", "9"), ("p", "0"), ("pp", "0")):  # a menu of three lines is one
        press(browser, keys)
        assert pointed() == line
    assert not browser.get_log("browser")


def test_a_hostile_document_of_a_hundred_thousand_lines_is_text(browser, paths):
    browser.get(f"file://{paths[0]}")
    browser.find_element(By.ID, "query").send_keys("window.hacked = 1")
    assert title(browser) == HOSTILE[0]
    rows = browser.find_elements(By.CSS_SELECTOR, "#document tbody tr")
    assert 20 < len(rows) <= 401 and HOSTILE[0] in browser.find_element(By.ID, "document").text
    assert browser.execute_script("return window.hacked") is None
    assert not browser.find_elements(By.CSS_SELECTOR, "#document script, #document img, #document svg")
    assert not browser.get_log("browser")


def test_a_comparison_says_of_each_line_who_removes_it(browser, paths):
    browser.get(f"file://{paths[1]}#d=page-1")
    text = browser.find_element(By.ID, "document").text
    assert "the first alone" in text and "both" in text and "edited by the first" in text
    kept = browser.find_elements(By.CSS_SELECTOR, "#document .kept td:last-child")
    assert kept and all(cell.text == "" for cell in kept)  # nobody removes it
    assert not browser.get_log("browser")


def test_a_phone_needs_no_sideways_scrolling(browser, paths):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        for path in paths:
            browser.get(f"file://{path}")
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
