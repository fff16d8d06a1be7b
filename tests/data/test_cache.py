import errno
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from dicom_files import dicom

from covidnet.data import cache as cache_module
from covidnet.data.cache import cache_pixels
from covidnet.data.pixels import DecodeSettings
from covidnet.errors import DataError, MissingExtraError

SETTINGS = DecodeSettings(image_size=12, max_pixels=10_000)


@pytest.fixture
def files(tmp_path, make_folder):
    return sorted(make_folder(tmp_path / "images").rglob("*.png"))


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def entries(cache):
    return sorted(path for path in cache.iterdir() if path.name.startswith("pixels-"))


def left_over(cache):
    return sorted(path.name for path in cache.iterdir() if path.name != "locks" and not path.name.startswith("pixels-"))


def everything(inspected):
    return inspected.source.fetch(range(len(inspected.infos))).tobytes()


def test_location_and_size_are_shown(files, cache):
    report = cache_pixels(files, SETTINGS, cache).report
    (entry,) = entries(cache)
    planes = sum(3 if number % 2 else 1 for number in range(4)) * 2
    assert (entry / "planes.u8").stat().st_size == planes * 12 * 12
    assert re.fullmatch(rf"pixel cache {re.escape(str(entry))}: 0\.0 MB, built in \d+\.\d s", report)
    large = cache_pixels(files, DecodeSettings(300, 10_000), cache).report
    assert f"{planes * 300 * 300 / 1e6:.1f} MB, built" in large


def test_the_second_time_nothing_is_decoded(files, cache, monkeypatch):
    first = cache_pixels(files, SETTINGS, cache)
    monkeypatch.setattr(cache_module, "decode_content", None)
    second = cache_pixels(files, SETTINGS, cache)
    assert "re-used" in second.report
    assert everything(second) == everything(first)
    assert second.infos == first.infos


def test_a_renamed_and_reordered_folder_finds_its_cache_again(files, cache, tmp_path):
    first = cache_pixels(files, SETTINGS, cache)
    (tmp_path / "images").rename(tmp_path / "moved")
    moved = [tmp_path / "moved" / file.relative_to(tmp_path / "images") for file in files]
    moved[0] = moved[0].rename(moved[0].with_name("renamed.png"))
    second = cache_pixels(moved[::-1], SETTINGS, cache)
    assert "re-used" in second.report
    for position in range(len(files)):
        assert np.array_equal(second.source.fetch([len(files) - 1 - position]), first.source.fetch([position]))
    assert second.infos == first.infos[::-1]


def test_a_changed_byte_makes_a_new_cache(files, cache, make_image):
    first = cache_pixels(files, SETTINGS, cache)
    make_image(files[0], seed=99)
    second = cache_pixels(files, SETTINGS, cache)
    assert "built" in second.report
    assert len(entries(cache)) == 2
    assert not np.array_equal(second.source.fetch([0]), first.source.fetch([0]))
    files[1].write_bytes(files[1].read_bytes() + b"\0")  # behind the end of the picture
    assert "built" in cache_pixels(files, SETTINGS, cache).report


def test_fewer_and_more_images_make_a_new_cache(files, cache):
    for chosen in (files, files[1:], [*files, files[0]]):
        cache_pixels(chosen, SETTINGS, cache)
    assert len(entries(cache)) == 2  # a copy of an image adds no content


@pytest.mark.parametrize("other", [DecodeSettings(13, 10_000), DecodeSettings(12, 9_999)])
def test_other_settings_make_a_new_cache(files, cache, other):
    cache_pixels(files, SETTINGS, cache)
    assert "built" in cache_pixels(files, other, cache).report
    assert len(entries(cache)) == 2


@pytest.mark.parametrize("what", [(cache_module, "DECODER_VERSION"), (cache_module.PIL, "__version__")])
def test_another_decoder_makes_a_new_cache(files, cache, monkeypatch, what):
    cache_pixels(files, SETTINGS, cache)
    monkeypatch.setattr(*what, "another")
    assert "built" in cache_pixels(files, SETTINGS, cache).report


def test_another_dicom_decoder_makes_a_new_cache(files, cache, monkeypatch):
    cache_pixels(files, SETTINGS, cache)
    monkeypatch.setattr(cache_module, "decoder_versions", lambda: ["pydicom 99"])
    assert "built" in cache_pixels(files, SETTINGS, cache).report


def test_dicom_images_and_their_patients_come_back_from_the_cache(cache, tmp_path):
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    files = [tmp_path / name for name in ("IM1", "several.dcm")]
    files[0].write_bytes(dicom(values, BurnedInAnnotation="YES"))
    files[1].write_bytes(dicom(np.concatenate([values] * 2), Rows=16, NumberOfFrames=2))
    settings = DecodeSettings(image_size=16, max_pixels=10_000)
    first, second = (cache_pixels(files, settings, cache) for _ in range(2))
    assert "re-used" in second.report and first.infos == second.infos
    assert np.array_equal(second.source.fetch([0])[0, 0], values)
    assert second.infos[0].burned_in and len(second.infos[0].patient) == 16
    assert second.reasons == (None, "multi-frame DICOM with 2 frames; expected one image per file")
    (index,) = cache.rglob("index.json")
    assert "Doe" not in index.read_text() and "P-1" not in index.read_text()


def test_missing_packages_leave_no_cache_of_errors(cache, tmp_path, monkeypatch):
    (tmp_path / "IM1").write_bytes(dicom(np.zeros((4, 4), dtype=np.uint8)))
    with monkeypatch.context() as patch:
        patch.setattr("covidnet.data.dicom_header.util.find_spec", lambda name: None)
        with pytest.raises(MissingExtraError, match=r"covidnet\[dicom\]"):
            cache_pixels([tmp_path / "IM1"], SETTINGS, cache)
    assert entries(cache) == [] and left_over(cache) == []
    assert cache_pixels([tmp_path / "IM1"], SETTINGS, cache).reasons == (None,)


def test_the_same_content_is_stored_once(files, cache, tmp_path):
    copy = tmp_path / "copy.png"
    copy.write_bytes(files[0].read_bytes())
    twice = cache_pixels([files[0], files[1], copy], SETTINGS, cache)
    (entry,) = entries(cache)
    assert (entry / "planes.u8").stat().st_size == (1 + 3) * 12 * 12
    assert np.array_equal(twice.source.fetch([0]), twice.source.fetch([2]))
    assert twice.infos[0] == twice.infos[2]


def test_the_pixels_are_mapped_and_not_loaded(files, cache):
    source = cache_pixels(files, SETTINGS, cache).source
    assert isinstance(source.planes, np.memmap)
    assert source.planes.mode == "r"
    assert np.shares_memory(source.planes, source.select([0, 1]).planes)
    assert type(source.fetch([0])) is np.ndarray
    assert not np.shares_memory(source.fetch([0]), source.planes)


def test_a_large_cache_takes_no_memory_until_it_is_fetched(cache, make_image, tmp_path):
    if not Path("/proc/self/smaps").exists():
        pytest.skip("the kernel does not tell")
    files = [make_image(tmp_path / f"{number}.png", number, size=(4, 4)) for number in range(20)]
    source = cache_pixels(files, DecodeSettings(1000, 10_000), cache).source
    source.fetch([3])

    def resident_kilobytes():
        blocks = Path("/proc/self/smaps").read_text().split("planes.u8")[1:]
        return sum(int(re.search(r"Rss:\s+(\d+)", block).group(1)) for block in blocks)

    assert 1000 <= resident_kilobytes() < 10_000
    source.fetch(range(20))
    assert resident_kilobytes() > 15_000


def test_no_readable_file_at_all(tmp_path, cache):
    (tmp_path / "a.png").write_text("no image")
    found = cache_pixels([tmp_path / "a.png", tmp_path / "absent.png"], SETTINGS, cache)
    assert found.infos == (None, None)
    assert found.reasons == ("not an image that Pillow knows", "cannot be read: No such file or directory")


WORKER = """
import hashlib, sys, time
from pathlib import Path
from covidnet.data.cache import cache_pixels
from covidnet.data.pixels import DecodeSettings

files, cache, ready = sorted(Path(sys.argv[1]).rglob("*.png")), Path(sys.argv[2]), Path(sys.argv[3])
(ready / sys.argv[4]).touch()
while not (ready / "go").exists():
    time.sleep(0.001)
found = cache_pixels(files, DecodeSettings(64, 10_000), cache)
digest = hashlib.sha256(found.source.fetch(range(len(files))).tobytes()).hexdigest()
print("built" if "built" in found.report else "re-used", digest)
"""


def test_processes_that_build_at_once_make_one_whole_cache(tmp_path, cache, make_folder):
    root, ready = make_folder(tmp_path / "many", {"a": 120}), tmp_path / "ready"
    ready.mkdir()
    command = [sys.executable, "-c", WORKER, str(root), str(cache), str(ready)]
    workers = [subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True) for number in range(4)]
    while len(list(ready.iterdir())) < len(workers):
        assert all(worker.poll() is None for worker in workers)
    (ready / "go").touch()
    outcomes = [worker.communicate()[0].split() for worker in workers]
    assert sorted(outcome[0] for outcome in outcomes) == ["built", "re-used", "re-used", "re-used"]
    files = sorted(root.rglob("*.png"))
    alone = cache_pixels(files, DecodeSettings(64, 10_000), tmp_path / "alone")
    expected = cache_module.hashlib.sha256(everything(alone)).hexdigest()
    assert {outcome[1] for outcome in outcomes} == {expected}
    assert len(entries(cache)) == 1
    assert left_over(cache) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from covidnet.data import cache
from covidnet.data.pixels import DecodeSettings

real, decoded = cache.asdict, []

def killed_at_the_fifth(info):
    decoded.append(info)
    if len(decoded) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(info)

cache.asdict = killed_at_the_fifth
cache.cache_pixels(sorted(Path(sys.argv[1]).rglob("*.png")), DecodeSettings(12, 10_000), Path(sys.argv[2]))
"""


def test_a_builder_that_was_killed_is_no_danger_and_leaves_nothing_for_long(files, cache, tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "images"), str(cache)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert entries(cache) == []
    assert len(left_over(cache)) == 1  # the half-built cache
    found = cache_pixels(files, SETTINGS, cache)
    assert "built" in found.report
    assert everything(found) == everything(cache_pixels(files, SETTINGS, tmp_path / "alone"))
    assert len(entries(cache)) == 1
    assert left_over(cache) == []


def test_a_failed_build_leaves_nothing(files, cache, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DataError, match=r"cannot be used \(No space left on device\)\. Give another folder"):
            cache_pixels(files, SETTINGS, cache)
    assert entries(cache) == []
    assert left_over(cache) == []
    assert "built" in cache_pixels(files, SETTINGS, cache).report


@pytest.mark.parametrize("change", ["lost", "replaced", "replaced by no image"])
def test_a_file_that_changes_while_it_is_read_poisons_no_cache(files, cache, monkeypatch, make_image, change):
    """The cache is found by content: what a changed file gave must never stand for the content it had before."""
    content = files[2].read_bytes()
    real = cache_module._build

    def after_the_change(*arguments):
        files[2].unlink()
        if change == "replaced":
            make_image(files[2], seed=77)
        elif change == "replaced by no image":
            files[2].write_text("no image")
        real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(cache_module, "_build", after_the_change)
        with pytest.raises(DataError, match=r"002\.png: changed while it was read\. Start again"):
            cache_pixels(files, SETTINGS, cache)
    assert entries(cache) == []
    files[2].write_bytes(content)
    assert cache_pixels(files, SETTINGS, cache).reasons == (None,) * len(files)


DAMAGES = {
    "planes cut": lambda entry: os.truncate(entry / "planes.u8", 100),
    "planes grown": lambda entry: (entry / "planes.u8").write_bytes((entry / "planes.u8").read_bytes() + b"x"),
    "planes lost": lambda entry: (entry / "planes.u8").unlink(),
    "index empty": lambda entry: (entry / "index.json").write_text(""),
    "index cut": lambda entry: os.truncate(entry / "index.json", 100),
    "index of others": lambda entry: (entry / "index.json").write_text("{}"),
    "index no table": lambda entry: (entry / "index.json").write_text("[1]"),
    "index no text": lambda entry: (entry / "index.json").write_bytes(b"\xff\xfe\x00"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_an_error_that_says_what_to_delete(files, cache, damage):
    cache_pixels(files, SETTINGS, cache)
    (entry,) = entries(cache)
    DAMAGES[damage](entry)
    with pytest.raises(DataError, match=rf"^{re.escape(str(entry))}: damaged \(.*\)\. Delete it and start again\.$"):
        cache_pixels(files, SETTINGS, cache)


def test_a_cache_without_its_index_is_built_anew(files, cache):
    cache_pixels(files, SETTINGS, cache)
    (entry,) = entries(cache)
    (entry / "index.json").unlink()
    assert "built" in cache_pixels(files, SETTINGS, cache).report
    assert json.loads((entry / "index.json").read_text())


def test_a_cache_that_was_deleted_is_built_anew(files, cache):
    cache_pixels(files, SETTINGS, cache)
    cache_module.shutil.rmtree(cache)
    assert "built" in cache_pixels(files, SETTINGS, cache).report


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_cache_folder_that_is_a_file(files, tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(DataError) as error:
        cache_pixels(files, SETTINGS, tmp_path / "file" / below)
    assert str(error.value).startswith(f"data.cache_dir={tmp_path / 'file' / below}: the pixel cache cannot be used (")
    assert "data.cache_dir=PATH" in str(error.value) and "data.cache=false" in str(error.value)


def test_a_cache_folder_that_may_not_be_written(open_folder, make_folder, no_superuser):
    files = sorted(make_folder(open_folder / "images").rglob("*.png"))
    cache = open_folder / "cache"
    cache_pixels(files, SETTINGS, cache)
    cache.chmod(0o555)
    try:
        with pytest.raises(DataError, match=r"data\.cache_dir=.*cannot be used \(Permission denied\)\. Give another"):
            cache_pixels(files[1:], SETTINGS, cache)
        assert "re-used" in cache_pixels(files, SETTINGS, cache).report  # what is there can be read all the same
    finally:
        cache.chmod(0o755)


def test_a_file_system_without_locks(files, cache, monkeypatch):
    def without(*_, **__):
        raise NotImplementedError("this file system has no locks")

    monkeypatch.setattr(cache_module.FileLock, "acquire", without)
    with pytest.raises(DataError, match=r"cannot be used \(this file system has no locks\)\. Give another folder"):
        cache_pixels(files, SETTINGS, cache)


SHARED = Path("/dev/shm")


@pytest.mark.skipif(not os.access(SHARED, os.W_OK), reason="has no second file system")
def test_a_cache_on_another_file_system(files, cache, tmp_path):
    if SHARED.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("the same file system")
    with tempfile.TemporaryDirectory(dir=SHARED) as folder:
        elsewhere = Path(folder) / "cache"
        built, again = (cache_pixels(files, SETTINGS, elsewhere) for _ in range(2))
        assert "built" in built.report and "re-used" in again.report and left_over(elsewhere) == []
        assert everything(built) == everything(again) == everything(cache_pixels(files, SETTINGS, cache))
