"""Summarise a sweep again: python -m covidnet.sweeps SWEEP_DIR [--by KEY] [--score NAME]."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from covidnet.console import report_error
from covidnet.errors import CovidnetError


def main() -> int:
    """Parse the arguments and report; the exit status is 1 when a run failed or is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m covidnet.sweeps",
        description="Summarise and compare the runs of a sweep, or of any folder of run directories.",
        epilog="For research only; never a diagnosis.",
    )
    parser.add_argument("directory", type=Path, metavar="SWEEP_DIR")
    parser.add_argument(
        "--by",
        action="append",
        metavar="KEY",
        help="compare by this swept key; the other swept keys pair the runs (may be repeated; default: all keys but "
        "random_state and seed)",
    )
    parser.add_argument(
        "--score",
        default="accuracy",
        help="accuracy (default), balanced_accuracy, auroc, log_loss, sensitivity or specificity",
    )
    arguments = parser.parse_args()
    from covidnet.sweeps.report import report_sweep

    try:
        return 0 if report_sweep(arguments.directory, arguments.by, arguments.score) else 1
    except CovidnetError as error:
        return report_error(error)


if __name__ == "__main__":
    sys.exit(main())
