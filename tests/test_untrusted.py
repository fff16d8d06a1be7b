"""What strangers may have made: pipes, devices, sparse files, pickles, files that unpack to gigabytes."""

import io
import json
import os
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from covidnet.errors import RunError, WeightsError
from covidnet.explain.table import read_maps
from covidnet.models.predict import load_network
from covidnet.models.weights import load_state_file
from covidnet.ood.files import load_look
from covidnet.report.thumbnails import read_thumbnails
from covidnet.untrusted import open_arrays, open_plain, read_json, read_object, read_plain, refuse_packed


class Planted:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.fixture
def hacked(tmp_path):
    """A path that must not be there at the end."""
    path = tmp_path / "HACKED"
    yield path
    assert not path.exists()


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="pipe"):
        open_plain(tmp_path / "pipe")


def test_a_file_that_becomes_a_pipe_is_not_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("x")
    plain = (tmp_path / "file").stat()
    monkeypatch.setattr(type(tmp_path), "stat", lambda self, **_: plain)
    with pytest.raises(OSError, match="pipe"):
        open_plain(tmp_path / "pipe")


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/stdin", "/"])
def test_devices_and_folders_are_no_files(tmp_path, path):
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(OSError, match=r"not a file|Is a directory"):
        read_plain(tmp_path / "link")


def test_a_larger_file_is_not_read(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="more than"):
        read_plain(tmp_path / "sparse")
    with pytest.raises(RunError, match="more than"):
        read_json(tmp_path / "sparse")


def test_room_is_made_for_what_is_there_alone(tmp_path):
    (tmp_path / "x").write_bytes(b"12345")
    before = tracemalloc_peak(lambda: read_plain(tmp_path / "x", 1 << 20))
    assert tracemalloc_peak(lambda: read_plain(tmp_path / "x", 1 << 33)) < before + 100_000


def tracemalloc_peak(call):
    """Bytes at most while ``call`` runs."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_a_file_without_a_size_is_read_to_its_end_or_limit(tmp_path):
    assert b"VmPeak" in read_plain(Path("/proc/self/status"))
    with pytest.raises(OSError, match="more than 10"):
        read_plain(Path("/proc/self/status"), 10)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\xff", "1" * 5000, "nul\0"])
def test_what_is_no_json_is_refused(tmp_path, text):
    (tmp_path / "x.json").write_text(text, encoding="latin-1")
    with pytest.raises(RunError, match=r"x\.json: not readable as JSON"):
        read_json(tmp_path / "x.json")


def test_json_of_no_object(tmp_path):
    (tmp_path / "x.json").write_text("[1]")
    with pytest.raises(RunError, match="found list, expected a JSON object"):
        read_object(tmp_path / "x.json")


def claiming(path, shape, packed=b"", descr="<f8"):
    """A file of arrays that claim to be of this shape."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("names", "format", "gradcam"):
            archive.writestr(f"{name}.npy", header.getvalue() + packed)


@pytest.mark.parametrize("shape", [(2**40, 2), (2**62, 4), (-1,), (100,)])
def test_arrays_that_claim_more_than_is_there(tmp_path, shape):
    claiming(tmp_path / "x.npz", shape)
    with pytest.raises(ValueError, match="claims"), open_arrays(tmp_path / "x.npz"):
        pass


def test_arrays_that_unpack_to_too_much(tmp_path):
    claiming(tmp_path / "x.npz", (2**17,), bytes(2**20))
    with pytest.raises(ValueError, match="unpacks to"), open_arrays(tmp_path / "x.npz", most=2**20):
        pass


def load_look_beside(path):
    checkpoint = path.parent / "best.ckpt"
    checkpoint.write_bytes(b"x")
    return load_look(path, checkpoint)


LOADERS = {
    "features.npz": load_look_beside,
    "thumbnails.npz": lambda path: read_thumbnails(path.parent),
    "saliency/maps.npz": lambda path: read_maps(path.parents[1]),
}


@pytest.mark.parametrize("name", LOADERS)
def test_arrays_are_not_unpickled(tmp_path, hacked, name):
    path = tmp_path / "run" / name
    path.parent.mkdir(parents=True)
    objects = np.array([Planted(hacked)], dtype=object)
    np.savez(path, allow_pickle=True, names=objects, format=objects, gradcam=objects)
    with pytest.raises(RunError, match=path.name):
        LOADERS[name](path)
    path.write_bytes(pickle.dumps(Planted(hacked)))
    with pytest.raises(RunError, match=path.name):
        LOADERS[name](path)


@pytest.mark.parametrize("load", [load_network, load_state_file])
@pytest.mark.parametrize("kind", ["torch", "old torch", "pickle", "packed"])
def test_checkpoints_are_not_unpickled(tmp_path, hacked, load, kind):
    path = tmp_path / "best.ckpt"
    content = {"state_dict": {"net.x": torch.zeros(1)}, "covidnet": Planted(hacked)}
    if kind == "pickle":
        path.write_bytes(pickle.dumps(content))
    elif kind == "packed":
        pack(path, {"state_dict": {"x": torch.zeros(10_000_000)}})
        with pytest.raises(ValueError, match="unpack"):
            refuse_packed(path)
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "torch")
    with pytest.raises(WeightsError, match=r"best\.ckpt"):
        load(path)


def pack(path, content):
    """torch's file of ``content``, compressed."""
    plain = io.BytesIO()
    torch.save(content, plain)
    with zipfile.ZipFile(plain) as before, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as after:
        for member in before.infolist():
            after.writestr(member.filename, before.read(member))


def test_a_sound_file_of_torch_is_not_packed(tmp_path):
    torch.save({"x": torch.zeros(1000)}, tmp_path / "x.pt")
    refuse_packed(tmp_path / "x.pt")
    (tmp_path / "x.json").write_text(json.dumps({}))
    refuse_packed(tmp_path / "x.json")
