"""The page of a run or an evaluation, made at its end: the results are there before, whatever becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidnet.config.schema import ReportConfig
from covidnet.console import say
from covidnet.data.dataset import XrayDataset
from covidnet.data.external import PART as EXTERNAL
from covidnet.predictions import Prediction, read_predictions
from covidnet.runs.layout import RunLayout


def show_results(
    asked: ReportConfig,
    directory: Path,
    split: str = "test",
    dataset: XrayDataset | None = None,
    external: XrayDataset | None = None,
) -> None:
    """Write thumbnails.npz and report.html, for a run also model_card.md and checklist.md; an error is only told.

    Args:
        asked: The report's section of the settings; where it is off, an older page is removed all the same.
        directory: Of a finished run or evaluation.
        split: The part that its metrics describe.
        dataset: Gives the pictures; without one those that the run kept are shown.
        external: Gives the pictures of the external test set.
    """
    layout = RunLayout(directory)
    layout.page.unlink(missing_ok=True)  # it shows other numbers
    if not asked.enabled:
        return
    try:
        if dataset is not None:
            _keep_thumbnails(asked, directory, split, dataset, external)
        from covidnet.report.run_page import make_run_page

        make_run_page(directory)
        say(f"page: {layout.page}")
    except Exception as error:  # nothing that goes wrong in showing results may lose them
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        say(f"no page: {reason} (the results are complete; try python -m covidnet.report {directory})")


def refresh_page(directory: Path) -> None:
    """Make a page again that is there already, since a file that it shows has changed; an error is only told."""
    if RunLayout(directory).page.is_file():
        show_results(ReportConfig(), directory)


def _keep_thumbnails(
    asked: ReportConfig, directory: Path, split: str, dataset: XrayDataset, external: XrayDataset | None
) -> None:
    from covidnet.report.thumbnails import chosen, save_thumbnails

    table = read_predictions(RunLayout(directory).predictions)
    scored = table.without_split(EXTERNAL) if split == "all" else table.of_split(split)
    own = {record.path: position for position, record in enumerate(dataset.records)}
    others = {} if external is None else {record.path: at for at, record in enumerate(external.records)}

    def picture(row: Prediction) -> NDArray[np.generic] | None:
        elsewhere = external is not None and row.split == EXTERNAL
        source: Any = external if elsewhere else dataset
        position = (others if elsewhere else own).get(row.path)
        return None if position is None else np.asarray(source.pixels.fetch([position])[0])

    save_thumbnails(directory, chosen(scored, table.of_split(EXTERNAL), asked.images), picture)
