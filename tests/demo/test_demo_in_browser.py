"""The demo page in Chromium: what a user sees, and that nothing is asked of any other machine."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from support import ROOT, call, environment, only_run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="no chromium with chromedriver on this machine"
)

SECONDS = 60
NASTY = 'Do not trust <script>window.sprung = true</script> "this" & that'


@pytest.fixture(scope="module")
def run(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    network = ("backbone=squeezenet1_1", "trainer.max_epochs=3", "data.image_size=64")
    outcome = call("train", *small(folder, "protocol=holdout", "data.val_size=0.3", "logger=none", *network))
    assert outcome.status == 0, outcome.err
    directory = only_run(folder).directory
    (directory / "audit.json").write_text(json.dumps({"verdict": {"level": "blocker", "sentence": NASTY}}))
    return directory


@pytest.fixture(scope="module")
def server(run, tmp_path_factory):
    """The address of a served page, and its process."""
    temporary = tmp_path_factory.mktemp("tmp")
    process = subprocess.Popen(
        [sys.executable, "-m", "covidnet.demo", f"run={run}", "port=null", "max_upload_mb=1"],
        stdout=subprocess.PIPE, text=True, cwd=temporary,
        env=environment() | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "TMPDIR": str(temporary)},
    )  # fmt: skip
    line = process.stdout.readline()
    assert line.startswith("open http://127.0.0.1:"), line
    yield line.split()[1], process, temporary
    process.kill()


@pytest.fixture
def browser(server):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,1100",
        "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.get(server[0])
    yield driver
    driver.quit()


def until(condition, what):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            found = condition()
        except Exception:
            found = None
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"not within {SECONDS} s: {what}")


def text_of(browser, element):
    return browser.find_element("id", element).text


def drop(browser, file):
    field = until(lambda: browser.find_element("css selector", "#file input[type=file]"), "a place to drop files")
    field.send_keys(str(file))


def loaded_pictures(browser, element):
    script = "return [...document.querySelectorAll('#' + arguments[0] + ' img')].map(one => one.naturalWidth)"
    return browser.execute_script(script, element)


def requested(browser):
    """The hosts that the page asked for anything."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    return {urlsplit(url).hostname for url in urls if not url.startswith(("data:", "blob:", "chrome"))}


def complaints(browser):
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def keep_screenshot(browser, name):
    folder = os.environ.get("COVIDNET_SCREENSHOTS")
    if folder:
        browser.save_screenshot(f"{folder}/{name}.png")


def test_an_image_is_dropped_and_answered(browser, images, run):
    until(lambda: "never a diagnosis" in text_of(browser, "heading"), "the notice")
    heading = text_of(browser, "heading")
    assert run.name in heading and "Test accuracy" in heading
    assert f"Audit of the run. {NASTY}" in heading and browser.execute_script("return window.sprung") is None
    film = min((images / "normal").iterdir())
    drop(browser, film)
    until(lambda: film.name in text_of(browser, "answer"), "an answer")
    answer = text_of(browser, "answer")
    assert "No prediction" not in answer and "Distance from the training images" in answer
    assert "For research only; never a diagnosis." in answer
    cells = [cell.text for cell in browser.find_elements("css selector", ".bars th, .bars .number")]
    assert {"covid", "normal"} == set(cells[::2]) and abs(float(cells[1]) + float(cells[3]) - 1) < 0.002
    assert until(lambda: loaded_pictures(browser, "pictures"), "pictures") == [64, 64]
    keep_screenshot(browser, "answered")
    assert requested(browser) == {"127.0.0.1"}
    assert complaints(browser) == []


def test_what_is_no_film_gets_no_prediction(browser, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "<b>noise.png")
    drop(browser, tmp_path / "<b>noise.png")
    until(lambda: "No prediction" in text_of(browser, "answer"), "an answer")
    answer = text_of(browser, "answer")
    assert "in colour: " in answer and "noise.png" in answer
    assert loaded_pictures(browser, "pictures") == [64]
    keep_screenshot(browser, "abstained")
    assert complaints(browser) == []


def test_what_is_no_image_gets_its_reason(browser, tmp_path):
    (tmp_path / "torn.png").write_bytes(b"torn")
    drop(browser, tmp_path / "torn.png")
    until(lambda: "unreadable: " in text_of(browser, "answer"), "an answer")


def test_what_is_too_large_is_refused(browser, tmp_path):
    (tmp_path / "large.png").write_bytes(bytes(1_100_000))
    drop(browser, tmp_path / "large.png")
    until(lambda: "exceed the maximum" in browser.find_element("tag name", "body").text, "a refusal")
    assert text_of(browser, "answer") == ""


def test_nothing_stays_of_what_was_uploaded(server):
    """The last test of this file: it ends the server."""
    _, process, temporary = server
    assert list(temporary.glob("covidnet-demo-*"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0
    assert not list(temporary.glob("covidnet-demo-*"))
