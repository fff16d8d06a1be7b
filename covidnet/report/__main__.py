"""Make a page again: python -m covidnet.report DIRECTORY."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from covidnet.console import report_error, say
from covidnet.errors import CovidnetError


def main() -> int:
    """Parse the arguments and write the page of a run, an evaluation or a sweep."""
    parser = argparse.ArgumentParser(
        prog="python -m covidnet.report",
        description="Write report.html, model_card.md and checklist.md of a finished run, or report.html of an "
        "evaluation or a sweep, from the files in its directory.",
        epilog="For research only; never a diagnosis.",
    )
    parser.add_argument("directory", type=Path, metavar="DIRECTORY")
    parser.add_argument("--images", type=int, default=200, help="test images with pictures at most (default 200)")
    arguments = parser.parse_args()
    from covidnet.report.run_page import make_run_page

    try:
        page = make_run_page(arguments.directory, arguments.images)
    except CovidnetError as error:
        return report_error(error)
    say(f"page: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
