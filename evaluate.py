"""Score a finished run again: python evaluate.py run=outputs/... (see --help)."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from covidnet.commands.entry import run_command, run_job

CONFIG_DIR = Path(__file__).resolve().parent / "conf"


@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="evaluate")
def main(config: DictConfig) -> None:
    """Recompute predictions, metrics and figures of a run from its checkpoint on its recorded split."""
    from covidnet.commands.evaluate import evaluate  # imports torch: only when an evaluation really starts

    run_job(evaluate, config)


if __name__ == "__main__":
    sys.exit(run_command(main, CONFIG_DIR, "evaluate"))
