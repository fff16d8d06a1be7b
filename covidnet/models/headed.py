"""Networks made of a backbone's feature map and a head of this project, and how any network is called."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from covidnet.config.schema import LocationHeadConfig, PooledMLPHeadConfig
from covidnet.errors import DataError

NO_POSITIONS = (
    "head=location needs the position of every patch: columns with x and y in [0, 1], from the upper left corner of "
    "the region that the patches were cut from (data=csv data.columns.x=COLUMN data.columns.y=COLUMN). "
    "data=phantom_patches has them; head=default needs none"
)


def run_network(network: nn.Module, images: Tensor, positions: Tensor | None) -> Tensor:
    """Logits (B, C) of any network of this project.

    A network whose attribute ``takes_positions`` is true is called as ``network(images, positions)``, any other one as
    ``network(images)``.

    Args:
        network: In whatever mode.
        images: Shape (B, 3, H, W), ready for the model.
        positions: Shape (B, 2), x and y in [0, 1] of each patch; None where they are not known.

    Raises:
        DataError: The network takes positions and there are none.
    """
    logits: Tensor
    if getattr(network, "takes_positions", False):
        if positions is None:
            raise DataError(NO_POSITIONS)
        logits = network(images, positions.to(images))
    else:
        logits = network(images)
    return logits


def edge_distance(positions: Tensor) -> Tensor:
    """How far each patch's centre is from the nearest edge: shape (B, 1), 0 on the edge to 1 in the middle.

    Args:
        positions: Shape (B, 2), x and y in [0, 1].
    """
    nearest = torch.minimum(positions, 1.0 - positions).min(dim=1, keepdim=True).values
    return 2.0 * nearest


class PooledMLP(nn.Module):
    """Average pooling, hidden layer with ReLU and dropout, output layer; initialised as Keras's Dense.

    Args:
        features: Channels and size of the feature map, (F, h, w).
        num_classes: Outputs.
        config: Pooling window, hidden units, dropout.
    """

    def __init__(self, features: tuple[int, int, int], num_classes: int, config: PooledMLPHeadConfig) -> None:
        super().__init__()
        channels, height, width = features
        inputs = channels * (height // config.pool) * (width // config.pool)
        self.pool = nn.AvgPool2d(config.pool)
        self.hidden = nn.Linear(inputs, config.hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.hidden, num_classes)
        for layer in (self.hidden, self.output):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (B, C) of a feature map (B, F, h, w)."""
        hidden = self.hidden(self.pool(features).flatten(1)).relu()
        logits: Tensor = self.output(self.dropout(hidden))
        return logits


class LocationAttention(nn.Module):
    """Pooled features, reduced to a few, joined by the distance from the edge; three fully connected layers follow.

    After Xu et al. 2020, "Deep learning system to screen coronavirus disease 2019 pneumonia" (arXiv 2002.09334);
    docs/experiments.md says what is theirs and what is not known.

    Args:
        features: Channels and size of the feature map, (F, h, w).
        num_classes: Outputs.
        config: Width of the reduced features and of the layers after them.
    """

    def __init__(self, features: tuple[int, int, int], num_classes: int, config: LocationHeadConfig) -> None:
        super().__init__()
        width = config.hidden
        self.reduce = nn.Linear(features[0], width)
        self.joined = nn.Linear(width + 1, width)
        self.hidden = nn.Linear(width, width)
        self.output = nn.Linear(width, num_classes)

    def forward(self, features: Tensor, positions: Tensor) -> Tensor:
        """Logits (B, C) of a feature map (B, F, h, w) and positions (B, 2) in [0, 1]."""
        reduced = self.reduce(features.mean(dim=(2, 3))).relu()
        joined = torch.cat([reduced, edge_distance(positions)], dim=1)
        logits: Tensor = self.output(self.hidden(self.joined(joined).relu()).relu())
        return logits


class HeadedNetwork(nn.Module):
    """A backbone's feature map with a head of this project.

    Args:
        backbone: Maps images (B, 3, H, W) to a feature map (B, F, h, w).
        head: Maps the feature map, and positions where it is `LocationAttention`, to logits (B, C).
    """

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    @property
    def takes_positions(self) -> bool:
        """Whether it is called with positions; see `run_network`."""
        return isinstance(self.head, LocationAttention)

    def forward(self, images: Tensor, positions: Tensor | None = None) -> Tensor:
        """Logits (B, C) of images (B, 3, H, W), and of positions (B, 2) where it takes them.

        Raises:
            DataError: It takes positions and there are none.
        """
        features = self.backbone(images)
        logits: Tensor
        if self.takes_positions:
            if positions is None:
                raise DataError(NO_POSITIONS)
            logits = self.head(features, positions)
        else:
            logits = self.head(features)
        return logits
