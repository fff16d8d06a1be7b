import subprocess
import sys
from contextlib import ExitStack

from covidnet.sweeps.devices import claim_device


def test_jobs_spread_before_they_share(tmp_path):
    with ExitStack() as running:
        taken = [running.enter_context(claim_device(tmp_path, 3)) for _ in range(6)]
    assert taken == [0, 1, 2, 0, 1, 2]


def test_a_device_is_free_again_after_its_job(tmp_path):
    with claim_device(tmp_path, 2) as first:
        with claim_device(tmp_path, 2) as second:
            assert (first, second) == (0, 1)
        with claim_device(tmp_path, 2) as third:
            assert third == 1


def test_a_killed_job_frees_its_device(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from covidnet.sweeps.devices import claim_device\n"
        "with claim_device(Path(sys.argv[1]), 2) as index: print(index, flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "0\n"
    with claim_device(tmp_path, 2) as index:
        assert index == 1
    other.kill()
    other.wait()
    with claim_device(tmp_path, 2) as index:
        assert index == 0
