"""The page in a real Chromium: it loads alone, and slider, table, theme and keys do what they say."""

import json

import numpy as np
import pytest
from browser import chromium, complaints, open_page, requests
from made_up_runs import add_saliency, made_up, make_run

from covidnet.config.schema import EvaluationConfig
from covidnet.evaluation.intervals import exact_interval
from covidnet.predictions import Prediction, Predictions, read_predictions
from covidnet.report.run_page import make_run_page
from covidnet.report.source import read_run
from covidnet.reporting.results import Protocol, save_results

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

ROWS = made_up(30, "val", seed=1, patient=True) + made_up(61, "test", seed=2, patient=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / "run"
    make_run(directory, ROWS, evaluation=EvaluationConfig(at_sensitivity=0.8))
    add_saliency(directory, read_run(directory).scored.rows[:3])
    make_run_page(directory)
    return directory


@pytest.fixture(scope="module")
def browser():
    with chromium() as driver:
        yield driver


@pytest.fixture
def page(browser, run):
    """The page, freshly loaded, with no theme chosen."""
    open_page(browser, run / "report.html")
    browser.execute_script("localStorage.clear(); delete document.documentElement.dataset.theme")
    open_page(browser, run / "report.html")
    yield browser
    assert complaints(browser) == []


def find(driver, selector):
    return driver.find_element("css selector", selector)


def press(driver, selector):
    """Click what the selector finds, away from the contents that stick to the top."""
    element = find(driver, selector)
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def rows_shown(driver):
    script = """return Array.from(document.querySelectorAll('#image-table tbody tr')).filter(row => !row.hidden)
                .map(row => Object.assign({}, row.dataset))"""
    return driver.execute_script(script)


def set_value(driver, identifier, value, event="input"):
    script = """const one = document.getElementById(arguments[0]); one.value = arguments[1];
                one.dispatchEvent(new Event(arguments[2], {bubbles: true}))"""
    driver.execute_script(script, identifier, str(value), event)


def rates(driver):
    """Value and limits of each rate, and the four counts, as the page has them."""
    script = """const number = text => text === '' ? null : Number(text);
        const rows = Array.from(document.querySelectorAll('#threshold-rates tbody tr'));
        const count = name => Number(document.getElementById('count-' + name).textContent);
        const limits = row => ['value', 'low', 'high'].map(key => number(row.dataset[key]));
        return [rows.map(limits), ['tp', 'fn', 'fp', 'tn'].map(count)]"""
    return driver.execute_script(script)


def expected(run, threshold):
    table = read_predictions(run / "predictions.csv").of_split("test")
    called, positive = table.probabilities[:, 0] >= threshold, table.truth == 0
    tp, fp = int((called & positive).sum()), int((called & ~positive).sum())
    fn, tn = int(positive.sum()) - tp, int((~positive).sum()) - fp
    pairs = ((tp, tp + fn), (tn, tn + fp), (tp, tp + fp), (tn, tn + fn))
    return [exact_interval(*pair) for pair in pairs], [tp, fn, fp, tn]


def agrees(found, wanted):
    for (value, low, high), interval in zip(found, wanted, strict=True):
        assert value == (None if interval.value is None else pytest.approx(interval.value, abs=1e-12))
        assert (low, high) == (pytest.approx(interval.low, abs=1e-8), pytest.approx(interval.high, abs=1e-8))


def test_it_loads_with_no_complaint_and_asks_nothing_of_the_network(run):
    with chromium() as driver:
        open_page(driver, run / "report.html")
        driver.execute_script("scrollTo(0, document.body.scrollHeight)")
        elsewhere, everything = requests(driver)
        assert elsewhere == [] and any(url.endswith("report.html") for url in everything)
        assert [url for url in everything if url.startswith("file:")] == [(run / "report.html").resolve().as_uri()]
        assert complaints(driver) == []
        shown = driver.execute_script(
            "return Array.from(document.images).every(one => one.complete && one.naturalWidth > 0)"
        )
        assert shown


def test_the_policy_refuses_a_script_that_comes_in_with_the_data(run, tmp_path):
    text = (run / "report.html").read_text(encoding="utf-8")
    evil = tmp_path / "evil.html"
    evil.write_text(text.replace("</main>", "<script>document.title = 'taken'</script></main>"), encoding="utf-8")
    with chromium() as driver:
        open_page(driver, evil)
        assert driver.title != "taken" and any("Content Security Policy" in line for line in complaints(driver))


@pytest.mark.parametrize("threshold", [0.0, 0.013, 0.3, 0.5, 0.87, 0.999, 1.0])
def test_rates_and_intervals_at_a_typed_threshold_are_those_of_the_evaluation(page, run, threshold):
    set_value(page, "threshold-number", threshold)
    found, counts = rates(page)
    wanted, own = expected(run, threshold)
    assert counts == own
    agrees(found, wanted)


def test_the_slider_moves_the_threshold_over_all_images(page, run):
    seen = []
    for position in (0, 1, 130, 400, 700, 999, 1000):
        set_value(page, "threshold-range", position)
        found, counts = rates(page)
        typed = find(page, "#threshold-number").get_property("value")
        wanted, own = expected(run, float(typed) if typed else 2.0)
        assert counts == own
        agrees(found, wanted)
        seen.append(counts[0] + counts[2])
    assert seen[0] == 61 and seen[-1] == 0 and seen == sorted(seen, reverse=True)
    assert find(page, "#threshold-output").text == "Nothing is called covid."
    assert find(page, "#threshold-range").get_attribute("aria-valuetext").startswith("Nothing is called covid.")


def test_it_starts_at_the_operating_point_and_comes_back_to_it(page, run):
    point = json.loads((run / "metrics.json").read_text())["operating_point"]
    assert float(find(page, "#threshold-number").get_property("value")) == point["threshold"]
    assert find(page, "#strip").text.find("operating point") >= 0
    press(page, "#at-half")
    assert rates(page)[1] == expected(run, 0.5)[1] != expected(run, point["threshold"])[1]
    press(page, "#at-point")
    found, _ = rates(page)
    assert found[0][0] == point["sensitivity"]["value"] and found[1][0] == point["specificity"]["value"]


def test_each_step_moves_one_image(page, run):
    probabilities = sorted(read_predictions(run / "predictions.csv").of_split("test").probabilities[:, 0])
    set_value(page, "threshold-number", 0.5)
    above = sum(value >= 0.5 for value in probabilities)
    press(page, "#step-down")
    assert float(find(page, "#threshold-number").get_property("value")) == probabilities[-above - 1]
    assert sum(rates(page)[1][::2]) == above + 1
    press(page, "#step-up")
    assert sum(rates(page)[1][::2]) == above
    press(page, "#step-up")
    assert sum(rates(page)[1][::2]) == above - 1


def test_the_slider_obeys_the_keyboard(page):
    slider = find(page, "#threshold-range")
    before = float(slider.get_property("value"))
    slider.send_keys("\ue014")  # right
    assert float(slider.get_property("value")) == before + 1
    slider.send_keys("\ue011")  # home
    assert find(page, "#threshold-output").text == "Everything is called covid."


def test_a_ring_on_the_roc_curve_follows_the_threshold(page, run):
    script = """const figure = document.querySelector("[data-plot='roc']"), ring = figure.querySelector('.live');
        const box = figure.dataset;
        return [(ring.cx.baseVal.value - box.left) / (box.right - box.left),
                (ring.cy.baseVal.value - box.bottom) / (box.top - box.bottom)]"""
    for threshold in (0.2, 0.8):
        set_value(page, "threshold-number", threshold)
        wanted, _ = expected(run, threshold)
        x, y = page.execute_script(script)
        assert (x, y) == (pytest.approx(1 - wanted[1].value, abs=1e-4), pytest.approx(wanted[0].value, abs=1e-4))


def test_intervals_hold_for_thousands_of_images(page, run):
    """The page's own function, through the page: its script is one closure, so larger counts come in as data."""
    cases = [(0, 5000), (5000, 5000), (1, 5000), (2499, 5000), (4990, 5000), (37, 123), (1, 1), (0, 1), (3, 7)]
    source = page.execute_script("return Array.from(document.scripts).at(-1).textContent")
    function = source[source.index("function logGamma") : source.index("/* The threshold slider. */")]
    for hits, n in cases:
        found = page.execute_cdp_cmd(
            "Runtime.evaluate", {"expression": f"{function}; exact({hits}, {n}, 0.95)", "returnByValue": True}
        )["result"]["value"]
        interval = exact_interval(hits, n)
        assert found["low"] == pytest.approx(interval.low, abs=1e-8)
        assert found["high"] == pytest.approx(interval.high, abs=1e-8)


def sort_by(driver, key):
    press(driver, f"#image-table th[data-key={key}] button")


def test_headers_sort_up_and_down_and_say_so(page):
    press(page, "#more")
    for key, convert in (("confidence", float), ("name", str), ("truth", str), ("patient", str)):
        sort_by(page, key)
        own = [convert(row[key]) for row in rows_shown(page)]
        assert find(page, f"th[data-key={key}]").get_attribute("aria-sort") == "ascending"
        if key in {"confidence", "truth"}:
            assert own == sorted(own)
        sort_by(page, key)
        assert convert(rows_shown(page)[0][key]) == own[-1]
        assert find(page, f"th[data-key={key}]").get_attribute("aria-sort") == "descending"
    assert len(page.find_elements("css selector", "th[aria-sort]")) == 1


def test_numbers_within_names_sort_as_numbers(page):
    press(page, "#more")
    sort_by(page, "patient")
    numbers = [int(row["patient"][1:]) for row in rows_shown(page)]
    assert numbers == sorted(numbers) and max(numbers) > 9


def test_filters_keep_what_they_say(page):
    table = rows_shown(page)
    assert len(table) == 20 and find(page, "#found").text == "61 images"  # the first, until more are asked for
    set_value(page, "only", "0")
    wrong = rows_shown(page)
    assert wrong and all(row["truth"] != row["answer"] for row in wrong)
    assert find(page, "#found").text == f"{len(wrong)} of 61 images"
    set_value(page, "truth", "normal")
    assert {row["truth"] for row in rows_shown(page)} == {"normal"}
    set_value(page, "only", "")
    set_value(page, "truth", "")
    set_value(page, "find", "TEST_33")
    (one,) = rows_shown(page)
    assert one["name"] == "image_test_33.png"
    set_value(page, "find", "no such file")
    assert rows_shown(page) == [] and find(page, "#found").text == "0 of 61 images"


def test_more_rows_come_on_request(page):
    press(page, "#more")
    assert len(rows_shown(page)) == 61 and not find(page, "#more").is_displayed()
    focused = page.execute_script("return document.activeElement.closest('tr').dataset.place")
    assert focused == "20"


def test_one_image_is_shown_larger_and_the_arrow_keys_go_on(page):
    table = rows_shown(page)
    button = find(page, "#image-table tbody tr .enlarge")
    button.send_keys("\ue007")  # enter
    assert find(page, "#viewer").get_property("open")
    assert find(page, "#viewer-title").text == table[0]["name"]
    assert "probability of covid" in find(page, "#viewer-facts").text
    page.switch_to.active_element.send_keys("\ue014")
    assert find(page, "#viewer-title").text == table[1]["name"]
    page.switch_to.active_element.send_keys("\ue012")
    page.switch_to.active_element.send_keys("\ue00c")  # escape
    assert not find(page, "#viewer").get_property("open")
    assert page.switch_to.active_element.get_attribute("class") == "enlarge"


def background(driver):
    return driver.execute_script("return getComputedStyle(document.body).backgroundColor")


def test_the_theme_follows_the_system_until_one_is_chosen(run, page):
    light = background(page)
    press(page, "#theme")
    dark = background(page)
    assert dark != light and find(page, "#theme").get_attribute("aria-pressed") == "true"
    open_page(page, run / "report.html")
    assert background(page) == dark
    press(page, "#theme")
    assert background(page) == light
    with chromium(dark=True) as other:
        open_page(other, run / "report.html")
        assert background(other) == dark and find(other, "#theme").text == "Light"


CONTRASTS = """
const linear = v => v <= 0.03928 * 255 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const parse = color => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
  return Array.from(canvas.getImageData(0, 0, 1, 1).data); };
const behind = one => { for (; one; one = one.parentElement) { const c = parse(getComputedStyle(one).backgroundColor);
  if (c[3] === 255) return c; } return [255, 255, 255, 255]; };
const low = [];
document.querySelectorAll('details').forEach(one => { one.open = true; });
document.querySelectorAll('body *').forEach(one => {
  const text = Array.from(one.childNodes).some(node => node.nodeType === 3 && node.textContent.trim());
  if (!text || !one.getClientRects().length || one.closest('dialog, script, style, .hidden')) return;
  const style = getComputedStyle(one), svg = one instanceof SVGElement;
  const front = parse(svg ? style.fill : style.color), back = behind(svg ? one.closest('svg').parentElement : one);
  const [a, b] = [luminance(front), luminance(back)], ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5 && !one.disabled) low.push([one.tagName, one.textContent.trim().slice(0, 30), ratio.toFixed(2)]);
});
return low;
"""


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_the_contrast_of_wcag_aa(run, dark):
    with chromium(dark=dark) as driver:
        open_page(driver, run / "report.html")
        assert driver.execute_script(CONTRASTS) == []


def test_a_phone_needs_no_sideways_scrolling(run):
    with chromium(width=390, height=844) as driver:
        open_page(driver, run / "report.html")
        assert driver.execute_script("return document.documentElement.scrollWidth") == 390
        assert complaints(driver) == []
        tall = driver.execute_script("return document.querySelector('.answer').getBoundingClientRect().bottom")
        assert tall < 844  # the number is on the first screen


LONG = ("a_very_long_class_name_without_any_space_in_it_at_all", "bacterial pneumonia, confirmed by culture", "normal")


@pytest.mark.parametrize("width", [390, 1280])
def test_many_classes_with_long_names_fit_and_each_can_be_chosen(tmp_path, width):
    random = np.random.default_rng(0)
    rows = []
    for number in range(90):
        odds = random.normal(size=3) + 2.0 * (np.arange(3) == number % 3)
        share = np.exp(odds) / np.exp(odds).sum()
        path = f"{LONG[number % 3]}/{'a long name ' * 8}{number}.png"
        rows.append(Prediction(path, "test" if number < 60 else "val", LONG[number % 3], tuple(map(float, share))))
    table = Predictions(LONG, tuple(rows))
    save_results(tmp_path, table, "test", None, LONG[0], Protocol.of("holdout", "val"), [], {})
    with chromium(width=width) as driver:
        open_page(driver, make_run_page(tmp_path))
        assert driver.execute_script("return document.documentElement.scrollWidth") == width
        set_value(driver, "series", 2, "change")
        set_value(driver, "threshold-number", 0.4)
        tested = table.of_split("test")
        called, own = tested.probabilities[:, 2] >= 0.4, tested.truth == 2
        assert rates(driver)[1][0] == int((called & own).sum()) and rates(driver)[1][2] == int((called & ~own).sum())
        assert find(driver, "#threshold-output").text == "Called normal from a probability of 0.40 on."
        assert complaints(driver) == []


def test_it_can_be_used_by_the_keyboard_alone(page):
    page.execute_script("document.body.focus()")
    reached = []
    for _ in range(60):
        page.switch_to.active_element.send_keys("\ue004")  # tab
        reached.append(page.execute_script("return document.activeElement.id || document.activeElement.className"))
    assert reached[0] == "skip"
    assert {"theme", "threshold-range", "threshold-number", "step-down"} <= set(reached)


def test_it_prints_in_light_colours_without_controls(run):
    with chromium(dark=True) as driver:
        open_page(driver, run / "report.html")
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        assert background(driver) == "rgb(255, 255, 255)"
        hidden = [".tools", ".contents", ".filters", "#threshold-range", "#more"]
        assert not [one for one in hidden if find(driver, one).is_displayed()]
        assert find(driver, ".number").is_displayed()
