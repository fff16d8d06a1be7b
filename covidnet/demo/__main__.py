"""Drop an image, see what a run says of it: python -m covidnet.demo run=outputs/RUN (see --help)."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from covidnet.commands.entry import run_command, run_job

CONFIG_DIR = Path(__file__).resolve().parents[2] / "conf"


@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="demo")
def main(config: DictConfig) -> None:
    """Serve a page on this machine until it is stopped."""
    from covidnet.commands.demo import demo

    run_job(demo, config)


if __name__ == "__main__":
    sys.exit(run_command(main, CONFIG_DIR, "demo"))
