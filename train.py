"""Train a chest X-ray classifier: python train.py data.root=PATH (see --help)."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from covidnet.commands.entry import run_command, run_job

CONFIG_DIR = Path(__file__).resolve().parent / "conf"


@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="train")
def main(config: DictConfig) -> float | None:
    """Train, evaluate and report one run; the value is its validation loss, for searches."""
    from covidnet.commands.train import train  # imports torch: only when a run really starts

    return run_job(train, config)


if __name__ == "__main__":
    sys.exit(run_command(main, CONFIG_DIR, "train"))
