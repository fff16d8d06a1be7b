import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from covidnet.errors import RunError
from covidnet.runs import directories
from covidnet.runs.directories import describe_overrides, discard_unused, reserve_directory

PLAIN = re.compile(r"[A-Za-z0-9._-]+")


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], ""),
        (["backbone=resnet34", "augment.scale=[0.7,1.3]"], "backbone-resnet34_scale-0.7-1.3"),
        (["data.root=/a/b c", "data.cache_dir=/x", "output_dir=/y", "trainer=cpu", "logger=none", "resume=/z"], ""),
        (["random_state=7", "data.root=/x"], "random_state-7"),
        (["+a.b={c:1,d:[2,3]}", "~augment"], "b-c-1-d-2-3_augment"),
        (["weights=/home/me/my weights.pt"], "weights-home-me-my-weights.pt"),
        (['data.positive_class="a=b, c [d]"'], "positive_class-a-b-c-d"),
        (["optimizer.lr=1e-3"], "lr-1e-3"),
    ],
)
def test_names_tell_the_overrides(overrides, name):
    assert describe_overrides(overrides) == name


@pytest.mark.parametrize(
    "override",
    [
        "augment.scale=[0.7,1.3]", "backbone='$(rm -rf x)'", "x=a b", "x=../../etc", "x=é ü 漢字", "x=" + "long" * 200,
        "x=a\nb", "x=`ls`;|&<>\"'*?!#~%", "x=...", "x=", "=", "x=-", "[=]", "x=\udcff", "a=CON", "x=a\\b/c:d",
    ],
)  # fmt: skip
def test_any_override_gives_a_directory_that_every_shell_takes(tmp_path, override):
    first = reserve_directory(tmp_path, [override])
    second = reserve_directory(tmp_path, [override, override])
    assert first != second
    for directory in (first, second):
        assert directory.parent == tmp_path and directory.is_dir()
        assert PLAIN.fullmatch(directory.name)
        assert len(directory.name) <= 90
        assert not directory.name.endswith((".", "-", "_"))
        assert re.match(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", directory.name)


def test_threads_in_one_second_never_share_a_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(directories.time, "strftime", lambda form: "2020-01-01_00-00-00")
    with ThreadPoolExecutor(16) as pool:
        names = list(pool.map(lambda _: reserve_directory(tmp_path / "new", ["seed=1"]).name, range(200)))
    assert len(set(names)) == 200 == len(list((tmp_path / "new").iterdir()))
    assert "2020-01-01_00-00-00_seed-1" in names and "2020-01-01_00-00-00_seed-1_200" in names


def test_processes_in_one_second_never_share_a_directory(tmp_path):
    code = """
import sys, pathlib
from covidnet.runs import directories
directories.time.strftime = lambda form: "2020-01-01_00-00-00"
for _ in range(50):
    print(directories.reserve_directory(pathlib.Path(sys.argv[1]), ["seed=1"]).name)
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    names = [name for process in processes for name in process.communicate()[0].split()]
    assert len(names) == len(set(names)) == 200


def test_the_suffix_stands_before_the_overrides(tmp_path):
    assert reserve_directory(tmp_path, ["seed=1"], suffix="sweep").name[19:] == "_sweep_seed-1"


def test_a_parent_that_cannot_be_made_is_an_error_not_an_endless_search(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="output_dir="):
        reserve_directory(tmp_path / "file" / "outputs", [])


def test_a_directory_with_only_the_configuration_is_discarded(tmp_path):
    (tmp_path / "run" / ".hydra").mkdir(parents=True)
    (tmp_path / "run" / ".hydra" / "config.yaml").touch()
    (tmp_path / "run" / "train.log").touch()
    discard_unused(tmp_path / "run", "train.log")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["split.csv", "checkpoints", "other.log"])
def test_a_directory_with_anything_of_a_run_is_kept(tmp_path, name):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / name).touch()
    discard_unused(tmp_path, "train.log")
    assert {path.name for path in tmp_path.iterdir()} == {".hydra", name}
