"""A run's network for other programs: python -m covidnet.export run=outputs/RUN format=onnx (see --help)."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from covidnet.commands.entry import run_command, run_job

CONFIG_DIR = Path(__file__).resolve().parents[2] / "conf"


@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="export")
def main(config: DictConfig) -> None:
    """Write the network of a run as ONNX or as an exported PyTorch program."""
    from covidnet.commands.export import export

    run_job(export, config)


if __name__ == "__main__":
    sys.exit(run_command(main, CONFIG_DIR, "export"))
