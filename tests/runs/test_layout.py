from pathlib import Path

import pytest

from covidnet.errors import RunError
from covidnet.runs.layout import RunLayout, open_run, read_overrides


@pytest.fixture
def layout(tmp_path):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("seed: 3\n")
    (tmp_path / ".hydra" / "overrides.yaml").write_text("- seed=3\n- augment.scale=[1,2]\n")
    return RunLayout(tmp_path)


def test_open_run_reads_the_stored_configuration(layout):
    opened, config = open_run(str(layout.directory))
    assert opened == layout
    assert config.seed == 3
    assert read_overrides(opened) == ["seed=3", "augment.scale=[1,2]"]


def test_the_home_directory_may_be_written_short(layout, monkeypatch):
    monkeypatch.setenv("HOME", str(layout.directory.parent))
    assert open_run(f"~/{layout.directory.name}")[0].directory == layout.directory


def test_what_is_no_run_directory_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"absent: no such run directory\. Give one that train\.py printed"):
        open_run(str(tmp_path / "absent"))
    with pytest.raises(RunError, match=r"not a run directory, .*config\.yaml is missing"):
        open_run(str(tmp_path))
    with pytest.raises(RunError, match="nothing given: no such run directory"):
        open_run("")
    (tmp_path / "sweep.json").write_text("{}")
    with pytest.raises(RunError, match=r"a sweep, not a run.* sweep\.resume="):
        open_run(str(tmp_path))
    (tmp_path / "sweep.json").unlink()
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("- a list\n")
    with pytest.raises(RunError, match="not a configuration"):
        open_run(str(tmp_path))


def test_overrides_may_be_absent(tmp_path):
    assert read_overrides(RunLayout(tmp_path)) == []


def test_paths(tmp_path):
    layout = RunLayout(Path("run"))
    assert str(layout.best) == "run/checkpoints/best.ckpt"
    assert str(layout.last) == "run/checkpoints/last.ckpt"
    assert [path.name for path in (layout.split, layout.history, layout.environment, layout.metrics)] == [
        "split.csv", "history.csv", "environment.json", "metrics.json",
    ]  # fmt: skip
    assert layout.predictions.name == "predictions.csv"
