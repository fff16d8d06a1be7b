"""Predict new images with a finished run: python predict.py run=outputs/... input=PATH (see --help)."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from covidnet.commands.entry import run_command, run_job

CONFIG_DIR = Path(__file__).resolve().parent / "conf"


@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="predict")
def main(config: DictConfig) -> None:
    """Write a table of what a run says of the images of a file or a folder."""
    from covidnet.commands.predict import predict

    run_job(predict, config)


if __name__ == "__main__":
    sys.exit(run_command(main, CONFIG_DIR, "predict"))
