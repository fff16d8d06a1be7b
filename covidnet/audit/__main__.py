"""What is a score on these images worth? python -m covidnet.audit data.root=PATH (see --help)."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from covidnet.commands.entry import run_command, run_job

CONFIG_DIR = Path(__file__).resolve().parents[2] / "conf"


@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="audit")
def main(config: DictConfig) -> None:
    """Audit a folder of images, or a finished run."""
    from covidnet.commands.audit import audit  # imports scikit-learn: only when an audit really starts

    run_job(audit, config)


if __name__ == "__main__":
    sys.exit(run_command(main, CONFIG_DIR, "audit"))
