"""Figures, each made from its arguments alone. Import it only to draw one: matplotlib is slow to load."""

from covidnet.figures.dataset import batch_figure, dataset_figure
from covidnet.figures.predictions import confusion_figure, test_images_figure
from covidnet.figures.style import figure_to_array, save_figure
from covidnet.figures.training import curves_figure

__all__ = [
    "batch_figure",
    "confusion_figure",
    "curves_figure",
    "dataset_figure",
    "figure_to_array",
    "save_figure",
    "test_images_figure",
]
