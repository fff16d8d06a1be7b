"""Make a page again: python -m covidnet.report DIRECTORY."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from covidnet.console import report_error, say
from covidnet.errors import CovidnetError
from covidnet.runs.layout import SWEEP_RECORD


def main() -> int:
    """Parse the arguments and write the page of a run, an evaluation or a sweep."""
    parser = argparse.ArgumentParser(
        prog="python -m covidnet.report",
        description="Write report.html, model_card.md and checklist.md of a finished run, or report.html of an "
        "evaluation or a sweep, from the files in its directory.",
        epilog="For research only; never a diagnosis.",
    )
    parser.add_argument("directory", type=Path, metavar="DIRECTORY")
    parser.add_argument("--images", type=int, help="test images with pictures at most (default: as in the run)")
    arguments = parser.parse_args()
    try:
        page = _make_page(arguments.directory, arguments.images)
    except CovidnetError as error:
        return report_error(error)
    say(f"page: {page}")
    return 0


def _make_page(directory: Path, images: int | None) -> Path:
    """A directory without metrics.json that holds sweep.json or runs is a sweep's."""
    if not (directory / "metrics.json").is_file() and _holds_runs(directory):
        from covidnet.sweeps.page import remake_sweep_page

        return remake_sweep_page(directory)
    from covidnet.report.run_page import make_run_page

    return make_run_page(directory, images)


def _holds_runs(directory: Path) -> bool:
    return (directory / SWEEP_RECORD).is_file() or any(directory.glob("*/.hydra/overrides.yaml"))


if __name__ == "__main__":
    sys.exit(main())
