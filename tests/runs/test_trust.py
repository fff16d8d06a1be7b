"""Run directories of strangers: what they may not make this machine do."""

import json

import pytest
import yaml
from omegaconf import OmegaConf

from covidnet.config.check import check
from covidnet.config.compose import CONFIG_DIR, compose_train
from covidnet.config.schema import TrainConfig
from covidnet.config.stored import read_config, read_texts, read_values
from covidnet.errors import ConfigError, RunError
from covidnet.runs.layout import open_run, read_overrides
from covidnet.runs.trust import OWN_CACHE, may_be_drawn, refuse_links_outside
from covidnet.sweeps.layout import SweepLayout, read_record

SECRET = "COVIDNET_TEST_SECRET"


@pytest.fixture
def run(tmp_path):
    directory = tmp_path / "outputs" / "run"
    (directory / ".hydra").mkdir(parents=True)
    (directory / ".hydra" / "config.yaml").write_text(f"seed: ${{random_state}}\ndata:\n  cache_dir: {OWN_CACHE}\n")
    (directory / "checkpoints").mkdir()
    return directory


def config_of(run, text):
    file = run / ".hydra" / "config.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("name", ["checkpoints", "evaluation", "train.log", "saliency", "fold=0", "deep/in/it"])
@pytest.mark.parametrize("target", ["/etc", "../../elsewhere", "nowhere", "."])
def test_links_out_of_a_run_are_refused(run, name, target):
    link = run / name
    if link.is_dir():
        link.rmdir()
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    if target == "." and link.parent == run:
        refuse_links_outside(run)  # leads into the directory
        return
    if target == ".":
        return
    with pytest.raises(RunError, match="leads out of the run directory"):
        open_run(str(run))


def test_a_run_may_be_reached_by_a_link_and_hold_links_into_itself(run, tmp_path):
    (run / "best").symlink_to("checkpoints")
    (tmp_path / "latest").symlink_to(run)
    open_run(str(tmp_path / "latest"))


@pytest.mark.parametrize(
    "text",
    [
        f"x: ${{oc.env:{SECRET}}}",
        f"x: ${{oc.env:HOME,${{oc.env:{SECRET}}}}}",
        f"x: ${{oc.decode:${{oc.env:{SECRET}}}}}",
        "x: ${oc.create:{a:1}}",
        f"r: oc.env\nx: ${{${{r}}:{SECRET}}}",
        "x: ${job_name:/tmp,[a]}",
        f"${{oc.env:{SECRET}}}: 1",
        f"x: [a, {{b: '${{oc.env:{SECRET}}}'}}]",
        "x: ${hydra:runtime.cwd}",
    ],
)
def test_a_configuration_asks_for_nothing_of_this_machine(run, text):
    with pytest.raises(RunError, match="asks for something of this machine"):
        read_config(config_of(run, text))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: [*a, *a]",
        "x: !!python/object/apply:os.system ['true']",
        "x: !!python/name:os.system ''",
        "a: [",
        "{" * 5000,
        "\0",
        "a: 1\na: 2",
        "- 1",
        "\n".join(f"k{n}: ${{k{n + 1}}}${{k{n + 1}}}" for n in range(40)),
        "x" * (1 << 19),
    ],
)
def test_what_is_no_configuration_is_refused_in_a_line(run, text):
    with pytest.raises(RunError, match=r"config\.yaml") as error:
        read_config(config_of(run, text))
    assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) < 600


def test_the_projects_own_configurations_are_allowed(run):
    for file in CONFIG_DIR.glob("data/*.yaml"):
        read_config(config_of(run, file.read_text()))


def test_overrides_are_not_resolved(run, monkeypatch):
    monkeypatch.setenv(SECRET, "hidden")
    (run / ".hydra" / "overrides.yaml").write_text(f"- data.root=x\n- '${{oc.env:{SECRET}}}'\n")
    assert "hidden" not in str(read_overrides(open_run(str(run))[0]))
    assert read_texts(run / ".hydra" / "overrides.yaml")[1].startswith("${oc.env:")
    assert "hidden" not in str(read_values(run / ".hydra" / "overrides.yaml"))


def test_a_sweeps_page_resolves_nothing(run, monkeypatch):
    from covidnet.sweeps.page import _command

    monkeypatch.setenv(SECRET, "hidden")
    recorded = {"hydra": {"overrides": {"task": [f"a=${{oc.env:{SECRET}}}"], "hydra": []}}}
    (run / "multirun.yaml").write_text(yaml.safe_dump(recorded))
    (line,) = _command(run, {})
    assert "hidden" not in line and "oc.env" in line


def test_the_own_cache_is_that_of_the_configuration():
    assert OmegaConf.to_container(OmegaConf.load(CONFIG_DIR / "data" / "base.yaml"))["cache_dir"] == OWN_CACHE


@pytest.mark.parametrize("folder", ["/etc/cron.d", "made/up", "~nobody_of_this_name/x", "x" * 5000])
def test_a_run_does_not_choose_where_a_cache_is_made(run, folder):
    config_of(run, f"data:\n  cache_dir: {folder}\n")
    assert OmegaConf.to_container(open_run(str(run))[1], resolve=False)["data"]["cache_dir"] == OWN_CACHE


def test_a_run_goes_on_with_the_cache_that_is_there(run, tmp_path):
    (tmp_path / "cache" / "locks").mkdir(parents=True)
    config_of(run, f"data:\n  cache_dir: {tmp_path}/cache\n")
    assert open_run(str(run))[1].data.cache_dir == f"{tmp_path}/cache"


def test_phantoms_are_drawn_near_the_run_and_nowhere_else(run, tmp_path, monkeypatch):
    monkeypatch.chdir(run)
    assert may_be_drawn(run.parent / "phantoms" / "x", run)
    assert may_be_drawn(tmp_path / "phantoms", run)  # a sweep's run lies one level deeper
    assert not may_be_drawn(tmp_path.parent / "phantoms", run)
    assert not may_be_drawn(run / ".." / ".." / ".." / "phantoms", run)


@pytest.mark.parametrize("name", ["../../elsewhere", "/etc", "..", "", "a/b", "a\\b", "nul\0"])
def test_the_runs_of_a_sweep_lie_in_its_folder(tmp_path, name):
    (tmp_path / "sweep.json").write_text(json.dumps({"swept": ["seed"], "fixed": [], "jobs": {name: {"seed": "1"}}}))
    with pytest.raises(RunError, match="is no name of a folder"):
        read_record(SweepLayout(tmp_path))


def test_the_values_of_a_sweep_are_texts(tmp_path):
    (tmp_path / "sweep.json").write_text(json.dumps({"swept": ["seed"], "fixed": [], "jobs": {"a": {"seed": [1]}}}))
    assert read_record(SweepLayout(tmp_path)).jobs == {"a": {"seed": "[1]"}}


def test_a_run_does_not_choose_how_large_a_picture_is_read(run):
    stored = compose_train(["data.root=/x", "data.max_pixels=1000000000"]).model_dump(mode="json")
    stored["data"]["max_pixels"] += 1
    config_of(run, yaml.safe_dump(stored))
    _, config = open_run(str(run))
    with pytest.raises(ConfigError, match=r"data\.max_pixels: found 1000000001"):
        check(config, TrainConfig)
