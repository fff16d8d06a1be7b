"""Run directories of strangers: any of their files mutated, then given to every command that reads them."""

import functools
import io
import json
import pickle
import shutil
import zipfile

import numpy as np

from covidnet.errors import CovidnetError

from .cases import Tally, crash_text, fault_of_message

NESTED = "[" * 100_000
JSON_VALUES = (
    None,
    "",
    "x",
    "<script>alert(1)</script>",
    "\x1b[31m",
    -1,
    0,
    1e308,
    10**400,
    True,
    [],
    {},
    [None],
    {"value": "x"},
    [[[]]],
    float("nan"),
    float("inf"),
    "=1",
    "../../x",
    "\udcff",
    [1, 2, 3],
    {"a": {"b": {}}},
    "9" * 100_000,
)
CELLS = (
    "",
    "nan",
    "inf",
    "-1",
    "2",
    "1e400",
    "x",
    "=cmd",
    "../../etc/passwd",
    "\0",
    "<b>",
    "\x1b[31m",
    "9" * 5000,
    "\r",
    "é",
    "train",
)
YAMLS = (
    "",
    "[]",
    "x",
    "a: [",
    "\t",
    "? ? ?",
    "!!python/object/apply:os.system ['touch HACKED']",
    "!!python/name:os.system ''",
    "data: !!python/object/new:os.system ['touch HACKED']",
    "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n",
    "x: ${oc.env:HOME}",
    "x: ${x}",
    "a: ${b}${b}\nb: ${a}",
    "_target_: os.system\n_args_: [touch HACKED]",
    "data:\n  _target_: os.system",
    "{" * 5000,
    "- " * 3000,
    "a: 1\na: 2",
    "\0",
    "\x1b: 1",
    "data: ${oc.decode:'${oc.env:HOME}'}",
    "x: ${oc.create:{a:1}}",
    "hydra:\n  run:\n    dir: /tmp/HACKED",
)
TEXTS = ("metrics.json", "split.csv", "predictions.csv", "history.csv", "environment.json", "calibration.json",
         "dataset.json",
         "audit.json", "saliency.csv", "saliency.json", ".hydra/config.yaml", ".hydra/overrides.yaml")  # fmt: skip
BINARIES = ("features.npz", "thumbnails.npz", "saliency/maps.npz", "checkpoints/best.ckpt", "checkpoints/last.ckpt")


class Planted:
    """Unpickled, it would write a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def mutate(rng, file, hacked):
    """Write something else in place of ``file``; returns what was done."""
    content = file.read_bytes()
    if rng.random() < 0.2:
        return _bytes(rng, file, content)
    if file.suffix == ".json":
        return _json(rng, file, content)
    if file.suffix == ".csv":
        return _csv(rng, file, content)
    if file.suffix == ".yaml":
        return _yaml(rng, file, content)
    return _binary(rng, file, content, hacked)


def _bytes(rng, file, content):
    way = int(rng.integers(6))
    if way == 0:
        content = content[: int(rng.integers(len(content) + 1))]
    elif way == 1:
        damaged = bytearray(content)
        for at in rng.integers(0, max(1, len(damaged)), 8):
            damaged[at] ^= 1 << int(rng.integers(8))
        content = bytes(damaged)
    elif way == 2:
        content = b""
    elif way == 3:
        content = rng.bytes(1000)
    elif way == 4:
        content = content.decode("latin-1").encode("utf-16")
    else:
        content = NESTED.encode()
    file.write_bytes(content)
    return f"bytes {way}"


def _places(node, path=()):
    yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from _places(value, (*path, key))


def _json(rng, file, content):
    tree = json.loads(content)
    places = list(_places(tree))
    path = places[rng.integers(len(places))]
    value = JSON_VALUES[rng.integers(len(JSON_VALUES))]
    if not path:
        tree = value
    else:
        node = tree
        for key in path[:-1]:
            node = node[key]
        if rng.random() < 0.2:
            del node[path[-1]]
            value = "deleted"
        else:
            node[path[-1]] = value
    file.write_text(json.dumps(tree))
    return f"{'.'.join(map(str, path))} = {str(value)[:40]!r}"


def _csv(rng, file, content):
    rows = [line.split(",") for line in content.decode("utf-8", "replace").splitlines()]
    row = rows[rng.integers(len(rows))] if rng.random() < 0.7 else rows[0]
    column = int(rng.integers(len(row)))
    value = CELLS[rng.integers(len(CELLS))]
    way = int(rng.integers(6))
    if way < 4:
        row[column] = value
    elif way == 4:
        rows.remove(row)
    else:
        rows.append(row)
    file.write_text("\n".join(map(",".join, rows)) + "\n")
    return f"cell {column} = {value[:40]!r} ({way})"


def _yaml(rng, file, content):
    value = YAMLS[rng.integers(len(YAMLS))]
    text = value if rng.random() < 0.4 else content.decode() + "\n" + value
    if rng.random() < 0.5:
        lines = content.decode().splitlines()
        at = int(rng.integers(len(lines)))
        key = lines[at].partition(":")[0]
        value = f"{key}: {CELLS[rng.integers(len(CELLS))]}" if rng.random() < 0.5 else f"{key}: ${{oc.env:HOME}}"
        text = "\n".join([*lines[:at], value, *lines[at + 1 :]])
    file.write_text(text)
    return value[:80]


def _binary(rng, file, content, hacked):
    way = int(rng.integers(5))
    if way == 0:
        file.write_bytes(pickle.dumps(Planted(hacked)))
    elif way == 1:
        import torch

        torch.save({"state_dict": {}, "x": Planted(hacked)}, file)
    elif way == 2:
        np.savez(io.BytesIO(), x=1)
        with file.open("wb") as opened:
            np.savez(opened, allow_pickle=True, names=np.array([Planted(hacked)], dtype=object))
    elif way == 3:  # an array that claims to be huge
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (2**40, 2)})
        with zipfile.ZipFile(file, "w") as archive:
            for name in ("names", "format", "checkpoint", "gradcam", "features_mean", "0"):
                archive.writestr(f"{name}.npy", buffer.getvalue())
    else:
        file.write_bytes(zeros())
    return f"binary {way}"


@functools.cache
def zeros():
    """A few megabytes that unpack to more than a gigabyte."""
    header, packed = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (68 * 2**24,)})
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("names.npy", "w", force_zip64=True) as opened,
    ):
        opened.write(header.getvalue())
        for _ in range(68):
            opened.write(bytes(2**24))
    return packed.getvalue()


def commands():
    """What reads a run directory, each as ``name, function of the directory``."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from covidnet.commands.evaluate import evaluate
    from covidnet.commands.predict import predict
    from covidnet.config.compose import CONFIG_DIR
    from covidnet.explain.table import read_entries, read_maps
    from covidnet.report.run_page import make_run_page
    from covidnet.sweeps.report import report_sweep
    from covidnet.training.resume import settings_of_resumed

    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        composed = {name: compose(name) for name in ("evaluate", "predict")}

    def asked(name, **values):
        return OmegaConf.merge(composed[name], values)

    def rescored(run):
        evaluate(asked("evaluate", run=str(run), predict="never", bootstrap=10))

    def predicted(run):
        image = run.parent / "x.png"
        predict(
            asked("predict", run=str(run), input=str(image), output=str(run.parent / "answers.csv"), overlays=False)
        )

    def resumed(run):
        settings_of_resumed(str(run), ["trainer.max_epochs=9"])

    def saliency(run):
        read_entries(run)
        read_maps(run)

    def swept(run):
        report_sweep(run.parent)

    return {
        "report": make_run_page,
        "evaluate": rescored,
        "predict": predicted,
        "resume": resumed,
        "saliency": saliency,
        "sweep": swept,
    }


def judge_runs(seed, numbers, directory, base, chosen=None):
    """Each mutated copy of the run ``base``, by one of the commands."""
    from PIL import Image

    from covidnet.console import console

    tally = Tally()
    console.quiet = True
    table = commands()
    names = chosen or list(table)
    hacked = directory / "HACKED"
    for number in numbers:
        rng = np.random.default_rng([seed, number])
        parent = directory / f"runs{number}"
        run = parent / "run"
        shutil.copytree(base, run)
        Image.new("L", (40, 40), 99).save(parent / "x.png")
        files = [run / name for name in (*TEXTS, *BINARIES) if (run / name).is_file()]
        name = names[number % len(names)]
        if name in {"predict"} and rng.random() < 0.6:
            files = [
                one for one in files if one.name in {"best.ckpt", "features.npz", "calibration.json", "config.yaml"}
            ]
        if name == "saliency":
            files = [one for one in files if one.name in {"saliency.csv", "maps.npz"}] or files
        file = files[rng.integers(len(files))]
        done = mutate(rng, file, hacked)
        kind = f"{name} on {file.name}"
        try:
            table[name](run)
        except CovidnetError as error:
            fault = fault_of_message(str(error))
            if fault:
                tally.fail(kind, f"{done}: {fault}: {str(error)[:200]!r}")
            else:
                tally.note("refused", kind)
        except Exception as error:
            tally.fail(kind, f"{done}: {crash_text(error)}")
        else:
            tally.note("read", kind)
        if hacked.exists():
            tally.fail(kind, f"{done}: code of the file was executed")
            hacked.unlink()
        shutil.rmtree(parent)
    return tally


def make_base(directory):
    """A finished run with everything in it: trained for an epoch, its results then made up."""
    from made_up_runs import add_saliency, made_up, make_run
    from support import call, only_run

    from covidnet.explain.table import GRAD_CAM, write_maps

    outcome = call(
        "train",
        "data=phantoms",
        "data.count=16",
        "data.image_size=32",
        "data.batch_size=8",
        "backbone=mobilenet_v3_small",
        "weights=none",
        "trainer.accelerator=cpu",
        "trainer.max_epochs=1",
        "audit=off",
        "saliency=off",
        "report.enabled=false",
        f"data.cache_dir={directory}/cache",
        f"output_dir={directory}/outputs",
    )
    assert outcome.status == 0, outcome.err
    run = only_run(directory / "outputs").directory
    config = (run / ".hydra" / "config.yaml").read_text()
    overrides = (run / ".hydra" / "overrides.yaml").read_text()
    rows = made_up(12, "val") + made_up(20, "test")
    make_run(run, rows)
    add_saliency(run, rows[12:16])
    write_maps(run, {GRAD_CAM: np.random.default_rng(0).random((4, 8, 8))})
    (run / ".hydra" / "config.yaml").write_text(config)
    (run / ".hydra" / "overrides.yaml").write_text(overrides)
    return run
