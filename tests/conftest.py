"""Fixtures for tests that run the commands: phantoms drawn once, and arguments of quick runs on them."""

import pytest
from support import BACKBONE, COUNT, SIZE, call


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """A folder of class folders: 20 phantoms, half of each class."""
    from covidnet.data.phantoms import PhantomSpec, write_phantoms

    return write_phantoms(tmp_path_factory.mktemp("images") / "phantoms", PhantomSpec(count=COUNT, seed=0))


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """A folder for pixel caches."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def small(images, cache):
    """The arguments of a quick run on the phantoms; ``output_dir`` is left to each test."""

    def arguments(output_dir, *more, root=images):
        return [
            f"data.root={root}", f"data.image_size={SIZE}", "data.batch_size=4", f"data.cache_dir={cache}",
            f"backbone={BACKBONE}", "weights=none", "trainer.accelerator=cpu", "trainer.max_epochs=2", "audit=off",
            "saliency=off", "report.enabled=false", "report.figures=false", f"output_dir={output_dir}", *more,
        ]  # fmt: skip

    return arguments


@pytest.fixture
def command():
    """``command("train", "KEY=VALUE", ...)`` runs it in this process."""
    return call
