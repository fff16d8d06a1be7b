"""Programs of torch.export: a file that PyTorch loads without this project's code.

TorchScript, the older way, is deprecated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from covidnet.export.agreement import Floats, Outputs, Run

DESCRIBED = "covidnet.json"
"""Name of the metadata in the file: ``torch.export.load(path, extra_files={"covidnet.json": ""})``."""


def write_torch(program: torch.export.ExportedProgram, path: Path, described: Mapping[str, str]) -> None:
    """Write a program of `covidnet.export.graph.trace` with its metadata."""
    torch.export.save(program, path, extra_files={DESCRIBED: json.dumps(dict(described), indent=2)})


def torch_runner(path: Path) -> Run:
    """The file as a function; only for files that were just written, since loading one trusts it."""
    module = torch.export.load(path).module()

    @torch.inference_mode()
    def run(images: Floats) -> Outputs:
        logits, probabilities = module(torch.from_numpy(images))
        return logits.numpy(), probabilities.numpy()

    return run
