"""The commands that are killed, and how each is gone on with."""

from dataclasses import dataclass

QUICK = (
    "data=phantoms", "data.count=12", "data.image_size=32", "data.batch_size=2", "backbone=mobilenet_v3_small",
    "weights=none", "trainer.accelerator=cpu", "callbacks.save_every=1", "saliency.images=2",
    "evaluation.bootstrap=200", "compute.num_threads=1",
)  # fmt: skip
BARE = ("audit=off", "saliency=off", "report.enabled=false", "logger=none")


@dataclass(frozen=True)
class Scenario:
    """A command in its own folder, which holds its images, its cache and its outputs."""

    name: str
    more: tuple
    is_sweep: bool = False

    def arguments(self, folder):
        """What is typed for the first time."""
        places = [f"output_dir={folder / 'out'}", f"data.cache_dir={folder / 'cache'}"]
        return [*(["-m"] if self.is_sweep else []), *QUICK, *places, *self.more]

    def next_arguments(self, folder):
        """What a user types after the run was killed: to go on where there is something, else the same again."""
        found = self.directory(folder)
        if found is None:
            return self.arguments(folder)
        if self.is_sweep:
            return [*self.arguments(folder), f"sweep.resume={found}"]
        return [f"resume={found}"]

    def directory(self, folder):
        """The run's or sweep's directory, once it can be gone on with; the newest of several."""
        mark = "sweep.json" if self.is_sweep else ".hydra/config.yaml"
        found = [path for path in (folder / "out").glob("*") if (path / mark).is_file()]
        return max(found, default=None)


SCENARIOS = {
    one.name: one
    for one in (
        Scenario("single", ("trainer.max_epochs=8", "audit=off")),
        Scenario("audited", ("trainer.max_epochs=6", "protocol=holdout", "logger=none", "scheduler=one_cycle")),
        Scenario("folds", ("trainer.max_epochs=3", "protocol=kfold", "folds=2", "audit=off", "logger=none")),
        Scenario("streamed", ("trainer.max_epochs=6", *BARE, "data.cache=false", "data.num_workers=1")),
        Scenario("sweep", ("trainer.max_epochs=4", *BARE, "random_state=1,2"), is_sweep=True),
    )
}
