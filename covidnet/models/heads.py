"""The classification layer of any backbone: where it is, and one of another width in its place."""

from __future__ import annotations

from torch import nn

from covidnet.errors import ConfigError


def final_layer(model: nn.Module) -> tuple[str, nn.Module]:
    """The qualified name and the module of the layer that gives the logits: ``fc``, ``classifier.6``, ...

    It is the last linear layer in the order of definition, or the last convolution where there is no linear
    layer (SqueezeNet). timm's models are asked, since some define their head before their body.

    Raises:
        ConfigError: The model has no such layer.
    """
    root_name, root = _timm_classifier(model) or ("", model)
    layers = list(root.named_modules(prefix=root_name))
    for kind in (nn.Linear, nn.Conv2d):
        found = [(name, layer) for name, layer in layers if isinstance(layer, kind)]
        if found:
            return found[-1]
    raise ConfigError(f"{type(model).__name__} has no linear or convolutional layer to take as its last")


def _timm_classifier(model: nn.Module) -> tuple[str, nn.Module] | None:
    """The name and module of a timm model's own classifier, or None for other libraries' models."""
    get_classifier = getattr(model, "get_classifier", None)
    if get_classifier is None:
        return None
    classifier = get_classifier()
    if isinstance(classifier, (tuple, list)):  # distilled models: the class head, then the distillation head
        classifier = classifier[0]
    for name, module in model.named_modules():
        if module is classifier:
            return name, module
    return None


def replace_final_layer(model: nn.Module, num_classes: int) -> None:
    """Put a freshly initialised layer with ``num_classes`` outputs in the place of the last one, in place."""
    name, layer = final_layer(model)
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, _same_kind(layer, num_classes))


def _same_kind(layer: nn.Module, num_classes: int) -> nn.Module:
    if isinstance(layer, nn.Linear):
        linear = nn.Linear(layer.in_features, num_classes, bias=layer.bias is not None)
        return linear.to(layer.weight)
    if not isinstance(layer, nn.Conv2d):
        raise TypeError(f"{type(layer).__name__} is no classification layer")
    kernel = (layer.kernel_size[0], layer.kernel_size[1])
    convolution = nn.Conv2d(layer.in_channels, num_classes, kernel, bias=layer.bias is not None)
    # SqueezeNet ends in a ReLU. Its authors' small weights around a zero bias keep about half of the outputs
    # above it at the start; torch's default bias can hold a class at zero, where it gets no gradient.
    nn.init.normal_(convolution.weight, std=0.01)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution.to(layer.weight)
