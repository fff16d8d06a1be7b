"""What the corpus and the reading for it found, each in its smallest form."""

import json
import os
import shutil
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from covidnet.console import report_error
from covidnet.data.csv_source import TableSettings, scan_table
from covidnet.data.dataset import open_scan
from covidnet.data.drawn import draw_once
from covidnet.data.images import UnreadableImageError
from covidnet.data.records import MANIFEST, Record, Scan, scan_folder
from covidnet.data.split import read_split
from covidnet.data.study import MARKUP, inert
from covidnet.data.tables import read_table
from covidnet.errors import DataError, RunError
from covidnet.explain.table import read_entries
from covidnet.predictions import read_predictions
from covidnet.runs.layout import RunLayout
from covidnet.runs.recorded import recorded_root
from covidnet.sweeps.collect import collect
from covidnet.training.history import read_history

AUTO = {"path": "auto", "label": "auto"}


@pytest.fixture
def root(tmp_path):
    """A folder with one image."""
    (tmp_path / "covid").mkdir()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "covid" / "a.png")
    return tmp_path


def settings(root, cache):
    return SimpleNamespace(
        image_size=8, max_pixels=10_000, cache=cache, cache_dir=str(root / ".cache"), on_bad_image="skip"
    )


def opened(root, path, cache):
    """The reasons of a data set of one sound image and ``path``."""
    scan = Scan(root, [Record("covid/a.png", "covid"), Record(path, "covid")])
    return open_scan(scan, settings(root, cache)).unreadable


@pytest.mark.parametrize("cache", [True, False])
def test_a_pipe_in_a_table_was_waited_for(root, cache):
    os.mkfifo(root / "pipe.png")
    assert opened(root, "pipe.png", cache) == ("pipe.png: cannot be read: a pipe, socket or device, not a file",)


@pytest.mark.parametrize("cache", [True, False])
def test_a_device_in_a_table_was_read_without_end(root, cache):
    (reason,) = opened(root, "/dev/zero", cache)
    assert reason == "/dev/zero: cannot be read: a pipe, socket or device, not a file"


@pytest.mark.parametrize("cache", [True, False])
def test_a_sparse_file_was_hashed_for_hours_and_read_into_memory(root, cache):
    with (root / "covid" / "b.png").open("wb") as file:
        file.truncate(1 << 42)
    started = time.process_time()
    dataset = open_scan(scan_folder(root), settings(root, cache))
    assert len(dataset.records) == 1 and "more than" in dataset.unreadable[0]
    assert time.process_time() - started < 60  # it was days


def test_a_table_that_is_a_pipe_was_waited_for(root):
    os.mkfifo(root / "table.csv")
    with pytest.raises(DataError, match="a pipe, socket or device"):
        read_table(root / "table.csv")


@pytest.mark.parametrize("path", ["x" * 300 + ".png", "a/" * 3000 + "b.png"])
def test_a_path_too_long_for_the_file_system_was_a_traceback(root, path):
    (root / "table.csv").write_text(f"path,label\ncovid/a.png,covid\n{path},covid\n")
    with pytest.raises(DataError, match="no such file"):
        scan_table(root / "table.csv", root, TableSettings(AUTO))


@pytest.mark.parametrize(
    "text",
    [
        "path,label,{word}\na.png,covid,1\na.png,covid,1\n",
        "{word},b\n1,2\n",
        "path,label\n{word},covid\n",
        "path,label\na.png,{word}\n",
        "path,label,weight\na.png,covid,{word}\n",
        "{word},{word}\n1,2\n",
    ],
)
def test_a_field_of_a_million_characters_was_a_message_of_a_million(root, text):
    (root / "table.csv").write_text(text.replace("{word}", "x" * 1_000_000))
    with pytest.raises(DataError) as error:
        scan_table(root / "table.csv", root, TableSettings({**AUTO, "weight": "auto"}))
    assert len(str(error.value)) < 3000


def test_a_line_of_a_name_looked_like_a_line_of_ours(root):
    (root / "covid" / "b\nresults: all is well.png").write_bytes(b"x")
    (root / "covid" / "c.png").write_bytes(b"")
    with pytest.raises(DataError) as error:
        open_scan(scan_folder(root), SimpleNamespace(**{**vars(settings(root, False)), "on_bad_image": "error"}))
    assert not any(line.startswith("results") for line in str(error.value).splitlines())


def test_an_error_filled_the_terminal(capsys):
    report_error(DataError("x" * 1_000_000))
    assert len(capsys.readouterr().err) < 5000


@pytest.mark.parametrize("encoding", ["idna", "undefined", "\0"])
def test_codecs_that_fail_in_their_own_way_were_a_traceback(root, encoding):
    (root / "table.csv").write_bytes(b"a.\xff..b,label\n1,2\n")
    with pytest.raises(DataError):
        read_table(root / "table.csv", "comma", encoding)


def test_codecs_that_warn_warn_nobody(root, recwarn):
    (root / "table.csv").write_bytes(b"path,label\n\\8,a\n")
    read_table(root / "table.csv", "comma", "unicode_escape")
    assert list(recwarn) == []


def test_a_reason_was_as_long_as_what_a_header_holds(root):
    assert len(str(UnreadableImageError(f"damaged: {list(range(5000))}"))) < 400


@pytest.mark.parametrize("sound", [True, False])
def test_a_path_of_thousands_of_characters_was_told_whole(root, sound):
    scan = Scan(root, [Record("covid/a.png", "covid")] * sound + [Record("a/" * 3000, "covid")])
    asked = settings(root, False)
    asked.on_bad_image = "error"
    with pytest.raises(DataError, match=r"(cannot|can) be read") as error:
        open_scan(scan, asked)
    assert max(map(len, str(error.value).splitlines())) < 800


def test_a_fold_of_no_decimal_number_was_a_traceback(tmp_path):
    (tmp_path / "fold=\u00b2").mkdir()
    (tmp_path / "fold=1").mkdir()
    assert [path.name for path in RunLayout(tmp_path).folds] == ["fold=1"]


def test_a_recorded_folder_of_too_long_a_name_was_a_traceback(tmp_path):
    (tmp_path / "environment.json").write_text('{"data": {"root": "' + "x" * 5000 + '"}}')
    with pytest.raises(DataError, match="no such folder"):
        recorded_root(RunLayout(tmp_path), None)


def test_a_manifest_nested_without_end_was_a_traceback(tmp_path):
    (tmp_path / MANIFEST).write_text("[" * 100_000)
    with pytest.raises(DataError, match="without a readable"):
        draw_once(tmp_path, {}, list, lambda folder: None)


@pytest.mark.parametrize("content", [b"epoch\xff\n", b"epoch,train_loss\n1,2\n", b"[" * 10, b"\0"])
def test_a_damaged_history_is_refused(tmp_path, content):
    (tmp_path / "history.csv").write_bytes(content + b"x,y\n")
    with pytest.raises(RunError, match=r"history\.csv"):
        read_history(tmp_path / "history.csv")


def test_an_epoch_without_a_number_was_a_traceback(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,train_loss,train_acc,val_loss,val_acc,lr,seconds\ninf,1,1,1,1,1,1\n")
    with pytest.raises(RunError, match="not a row of"):
        read_history(tmp_path / "history.csv")


def test_a_sweeps_run_with_another_split_was_a_traceback(tmp_path):
    from made_up_runs import made_up, make_run

    make_run(tmp_path / "run", made_up(8, "val") + made_up(12, "test"))
    (tmp_path / "run" / "split.csv").write_text("a,b\n1,2\n")
    with pytest.raises(RunError, match=r"split\.csv"):
        collect(tmp_path)
    shutil.rmtree(tmp_path / "run")


def test_a_damaged_file_that_the_page_can_do_without_was_a_traceback(tmp_path):
    from made_up_runs import made_up, make_run

    from covidnet.report.run_page import make_run_page

    run = make_run(tmp_path / "run", made_up(8, "val") + made_up(12, "test"))
    study = json.loads((run / "dataset.json").read_text())
    del study["classes"][0]["width"]["q3"]
    (run / "dataset.json").write_text(json.dumps(study))
    assert "dataset.json does not hold what is expected of it" in make_run_page(run).read_text()
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["accuracy"] = {"value": [[]]}
    (run / "metrics.json").write_text(json.dumps(metrics))
    before = (run / "report.html").read_bytes()
    with pytest.raises(RunError, match=r"metrics\.json: not the metrics that train\.py writes"):
        make_run_page(run)
    assert (run / "report.html").read_bytes() == before


@pytest.mark.parametrize("read", [read_predictions, read_split, lambda file: read_entries(file.parent)])
@pytest.mark.parametrize("name", ["predictions.csv", "saliency.csv"])
def test_tables_of_a_run_were_told_in_messages_of_any_length(tmp_path, read, name):
    (tmp_path / name).write_text(",".join(["x" * 100_000] * 3) + "\n1,2,3\n")
    with pytest.raises(RunError) as error:
        read(tmp_path / name)
    assert len(str(error.value)) < 2000


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=alert(1)>", "\\\\<b>", "![x](http://evil.example)", "</p>", "[a]: b"]
)
def test_names_in_markdown_were_markup(name):
    shown = inert(name)
    assert not MARKUP.search(shown) and shown.replace(" ", "") == name.replace(" ", "")
    assert inert("p < 0.001, a<3") == "p < 0.001, a<3"
