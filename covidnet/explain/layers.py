"""The layer that Grad-CAM looks at, in any backbone: the last one whose output is a map of the image.

Convolutional networks give maps (B, C, H, W), Swin transformers (B, H, W, C), vision transformers rows of tokens
(B, P + H * W, C) with P class and register tokens in front. `tapped` shows each of them as (B, C, H, W).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from covidnet.errors import ConfigError, ExplainError
from covidnet.models.heads import final_layer
from covidnet.naming import did_you_mean

LEAST_SIDE = 5
"""A coarser map (3x3 cells of a small image) cannot tell lung from not lung; an earlier layer is taken then."""
MOST_PREFIX_TOKENS = 8

_INNER = re.compile(r"attn|attention|mlp|feedforward", re.IGNORECASE)
"""Names of parts of a transformer block whose outputs are no state of the whole image: heads, keys, hidden units."""
_REPEATING = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Upsample)
_PLAIN = (nn.Linear, nn.Identity)


@dataclass(frozen=True)
class Grid:
    """How an output of a layer is laid out as a map of the image.

    Attributes:
        side: Height and width of the map in cells; images are square here.
        layout: channels_first (B, C, H, W), channels_last (B, H, W, C) or tokens (B, P + H * W, C).
        prefix: P, the number of tokens that are no place in the image.
    """

    side: int
    layout: str
    prefix: int = 0

    def to_map(self, output: Tensor) -> Tensor:
        """The output as (B, C, H, W)."""
        if self.layout == "channels_first":
            return output
        if self.layout == "channels_last":
            return output.permute(0, 3, 1, 2)
        batch, _, channels = output.shape
        return output[:, self.prefix :].transpose(1, 2).reshape(batch, channels, self.side, self.side)

    def from_map(self, shown: Tensor, output: Tensor) -> Tensor:
        """The inverse of `to_map`; tokens that are no place are taken from ``output``."""
        if self.layout == "channels_first":
            return shown
        if self.layout == "channels_last":
            return shown.permute(0, 2, 3, 1)
        return torch.cat([output[:, : self.prefix], shown.flatten(2).transpose(1, 2)], dim=1)


@dataclass(frozen=True)
class SpatialLayer:
    """A layer, by its qualified name within the network, and how its output is a map."""

    name: str
    grid: Grid

    def __str__(self) -> str:
        return f"{self.name}, {self.grid.side}x{self.grid.side}"


def find_layer(network: nn.Module, images: Tensor, name: str | None = None) -> SpatialLayer:
    """The layer called ``name``, or the last before the classification layer that is a map and reaches the logits.

    One forward and one backward pass with hooks on all modules tell. A layer reaches the logits where its map has a
    gradient: the patch tokens behind a transformer's last attention have none when the class token alone is
    classified. Maps of fewer than `LEAST_SIDE` cells on a side are passed over while there is a finer one.

    Args:
        network: Maps images to logits (B, C); in evaluation mode.
        images: As the network takes them, shape (B, 3, S, S); two are enough.
        name: A module's qualified name, such as ``layer3``; None looks for one.

    Raises:
        ConfigError: There is no module of that name, or its output is no map.
        ExplainError: No module's output is a map.
    """
    modules = dict(network.named_modules())
    if name is not None and name not in modules:
        raise ConfigError(f"saliency.layer={name}: the network has no such module.{did_you_mean(name, modules)}")
    seen = _trace(network, images, {name: modules[name]} if name is not None else _candidates(network))
    if name is not None:
        if name not in seen.grids:
            raise ConfigError(
                f"saliency.layer={name}: its output {seen.shapes.get(name, '')} is no map that the classifier sees. "
                "Name a module whose output has height and width, or leave saliency.layer=null."
            )
        return SpatialLayer(name, seen.grids[name])
    for least in (LEAST_SIDE, 2):
        fine = [key for key, grid in seen.grids.items() if grid.side >= least]
        reaching = [key for key in fine if key in seen.reaching]
        if reaching or fine:
            chosen = _whole_state(seen, reaching or fine)
            return SpatialLayer(chosen, seen.grids[chosen])
    raise ExplainError(
        f"{type(network).__name__}: no module's output is a map of the image, so there is no Grad-CAM. "
        "saliency.method=integrated_gradients needs no map."
    )


@contextmanager
def tapped(network: nn.Module, layer: SpatialLayer) -> Iterator[nn.Module]:
    """Give a module through which the layer's output passes as a map (B, C, H, W) while the block runs."""
    tap = nn.Identity()

    def through(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        return layer.grid.from_map(tap(layer.grid.to_map(output)), output)

    handle = network.get_submodule(layer.name).register_forward_hook(through)
    try:
        yield tap
    finally:
        handle.remove()


def _candidates(network: nn.Module) -> dict[str, nn.Module]:
    return {
        name: module
        for name, module in network.named_modules()
        if name and not isinstance(module, _REPEATING + _PLAIN) and not _is_inner(network, name)
    }


def _is_inner(network: nn.Module, name: str) -> bool:
    """Whether the module is, or lies in, a part of a transformer block; by the names that libraries give them."""
    parts = name.split(".")
    owners = [network.get_submodule(".".join(parts[: depth + 1])) for depth in range(len(parts))]
    return any(
        _INNER.search(part) or _INNER.search(type(owner).__name__) for part, owner in zip(parts, owners, strict=True)
    )


def _whole_state(seen: _Seen, names: list[str]) -> str:
    """The last of ``names``; but where it lies inside a block that coarsens the map, the last before that block.

    Within such a block it may be one branch, while a shortcut carries the rest past it.
    """
    last = names[-1]
    side = seen.grids[last].side
    parts = last.split(".")
    for depth in range(1, len(parts)):  # the outermost block first
        block = ".".join(parts[:depth])
        if block not in seen.grids or seen.grids[block].side >= side:
            continue
        before = [name for name in names if seen.finished[name] < seen.started[block] and seen.grids[name].side == side]
        if before:
            return before[-1]
    return last


class _Seen:
    """What one pass showed of the modules, in the order in which they finished."""

    def __init__(self) -> None:
        self.grids: dict[str, Grid] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.reaching: set[str] = set()
        self.started: dict[str, int] = {}
        self.finished: dict[str, int] = {}
        self.clock = 0
        self.ended = False

    def tick(self) -> int:
        self.clock += 1
        return self.clock


def _trace(network: nn.Module, images: Tensor, modules: dict[str, nn.Module]) -> _Seen:
    """Run the network once forwards and backwards, and note whose outputs are maps and have a gradient."""
    seen = _Seen()
    prefix = getattr(network, "num_prefix_tokens", None)  # timm's models tell

    def finished(name: str, output: Any) -> None:
        if not isinstance(output, Tensor):
            return
        seen.shapes[name] = tuple(output.shape)
        grid = grid_of(output, images, prefix)
        seen.grids.pop(name, None)
        if seen.ended or grid is None or not output.requires_grad:
            return
        seen.grids[name] = grid
        seen.finished[name] = seen.tick()

        def reached(gradient: Tensor) -> None:
            if bool(grid.to_map(gradient).count_nonzero()):
                seen.reaching.add(name)

        output.register_hook(reached)  # type: ignore[no-untyped-call]

    def started(name: str) -> None:
        seen.started[name] = seen.tick()

    def ended(module: nn.Module, args: Any) -> None:
        seen.ended = True

    with ExitStack() as hooks, torch.enable_grad():
        for name, module in modules.items():
            hooks.callback(module.register_forward_pre_hook(lambda _, __, name=name: started(name)).remove)
            hook = module.register_forward_hook(lambda _, __, output, name=name: finished(name, output))
            hooks.callback(hook.remove)
        hooks.callback(final_layer(network)[1].register_forward_pre_hook(ended).remove)
        inputs = images.detach().clone().requires_grad_()
        logits = network(inputs)
        weights = torch.arange(1, logits.shape[1] + 1, device=logits.device, dtype=logits.dtype)
        torch.autograd.grad((logits * weights).sum(), inputs)
    return seen


def grid_of(output: Tensor, images: Tensor, prefix: int | None = None) -> Grid | None:
    """How ``output`` is a map of ``images``, or None where it is not.

    Args:
        output: Of some module.
        images: Shape (B, 3, S, S).
        prefix: Number of tokens in front of the patches'; None where unknown.
    """
    batch, size = images.shape[0], images.shape[-1]
    if output.ndim not in (3, 4) or output.shape[0] != batch:
        return None
    if output.ndim == 4:
        for layout, height, width in (("channels_first", 2, 3), ("channels_last", 1, 2)):
            if output.shape[height] == output.shape[width] and 2 <= output.shape[height] <= size:
                return Grid(output.shape[height], layout)
        return None
    # Some add the class token only before their last blocks: then the rows are fewer than the model tells.
    for tokens in [*([prefix] if prefix is not None else []), *range(MOST_PREFIX_TOKENS + 1)]:
        side = math.isqrt(max(0, output.shape[1] - tokens))
        if side * side == output.shape[1] - tokens and 2 <= side <= size:
            return Grid(side, "tokens", tokens)
    return None
