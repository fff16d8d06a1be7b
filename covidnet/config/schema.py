"""The typed shape of every configuration key: its type, its range and its choices.

The keys are described where a user meets them, in the YAML files under conf/; here stands what is allowed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
OpenFraction = Annotated[float, Field(gt=0.0, lt=1.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]
PositiveInt = Annotated[int, Field(ge=1)]
SeedInt = Annotated[int, Field(ge=0, le=2**32 - 1)]
Name = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """Base of every part of the configuration: unknown keys are refused, types are not guessed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DataSettings(Section):
    """What all data sources share: the split, the pixels and the loader."""

    image_size: Annotated[int, Field(ge=16, le=4096)]
    test_size: OpenFraction
    val_size: OpenFraction
    normalize: Literal["none", "imagenet"]
    positive_class: str | None
    on_bad_image: Literal["error", "skip"]
    max_pixels: PositiveInt
    cache: bool
    cache_dir: Name
    batch_size: PositiveInt
    num_workers: Annotated[int, Field(ge=0)]


class FolderData(DataSettings):
    """Images in class folders."""

    source: Literal["folder"]
    root: Name


class FaultsConfig(Section):
    """Faults planted in phantoms, each from 0 (off) to 1; see conf/data/phantoms.yaml."""

    colour_mode: Fraction
    size: Fraction
    border: Fraction
    marker: Fraction
    zoom: Fraction
    exposure: Fraction
    duplicates: Fraction
    patients: Fraction
    names: Fraction


class PhantomData(DataSettings):
    """Images drawn by the project itself."""

    source: Literal["phantoms"]
    root: Name
    count: Annotated[int, Field(ge=10, le=100_000)]
    phantom_seed: SeedInt
    faults: FaultsConfig


DataConfig = Annotated[FolderData | PhantomData, Field(discriminator="source")]


class AugmentConfig(Section):
    """Random changes of training images; see conf/augment."""

    rotation: Annotated[float, Field(ge=0.0, le=180.0)]
    scale: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    translation: Annotated[list[Fraction], Field(min_length=2, max_length=2)]
    horizontal_flip: Fraction
    brightness: Fraction
    contrast: Fraction
    noise: Fraction
    interpolation: Literal["bilinear", "nearest"]
    fill: Fraction

    @field_validator("scale")
    @classmethod
    def _ordered(cls, value: list[float]) -> list[float]:
        if value[0] > value[1]:
            raise ValueError(f"expected [low, high] with low <= high, for example [{value[1]:g}, {value[0]:g}]")
        return value


class AdamConfig(Section):
    """torch.optim.Adam, or AdamW with decoupled weight decay."""

    name: Literal["adam", "adamw"]
    lr: Positive
    weight_decay: NonNegative
    betas: Annotated[list[Annotated[float, Field(ge=0.0, lt=1.0)]], Field(min_length=2, max_length=2)]
    eps: Positive


class SGDConfig(Section):
    """torch.optim.SGD."""

    name: Literal["sgd"]
    lr: Positive
    weight_decay: NonNegative
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)]
    nesterov: bool

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> SGDConfig:
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("nesterov=true needs momentum above 0")
        return self


OptimizerConfig = Annotated[AdamConfig | SGDConfig, Field(discriminator="name")]


class PlateauConfig(Section):
    """torch.optim.lr_scheduler.ReduceLROnPlateau, stepped once per epoch."""

    name: Literal["plateau"]
    monitor: Literal["train_loss", "val_loss"]
    factor: OpenFraction
    patience: Annotated[int, Field(ge=0)]
    threshold: NonNegative
    min_lr: NonNegative
    eps: NonNegative


class CosineConfig(Section):
    """torch.optim.lr_scheduler.CosineAnnealingLR over all epochs."""

    name: Literal["cosine"]
    min_lr: NonNegative


class OneCycleConfig(Section):
    """torch.optim.lr_scheduler.OneCycleLR over all optimiser steps; optimizer.lr is its peak."""

    name: Literal["one_cycle"]
    warmup: OpenFraction


class NoSchedulerConfig(Section):
    """A constant learning rate."""

    name: Literal["none"]


SchedulerConfig = Annotated[
    PlateauConfig | CosineConfig | OneCycleConfig | NoSchedulerConfig, Field(discriminator="name")
]


class TrainerConfig(Section):
    """Arguments of Lightning's Trainer, passed on as they are."""

    max_epochs: PositiveInt
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu"]
    devices: PositiveInt | Literal["auto", -1] | str | list[int]
    num_nodes: PositiveInt
    strategy: Name
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true", "64-true", "transformer-engine"]
    accumulate_grad_batches: PositiveInt
    gradient_clip_val: Positive | None
    gradient_clip_algorithm: Literal["norm", "value"]
    sync_batchnorm: bool
    limit_train_batches: PositiveInt | Annotated[float, Field(gt=0.0, le=1.0)]
    limit_val_batches: PositiveInt | Annotated[float, Field(gt=0.0, le=1.0)]
    max_time: str | None
    deterministic: bool
    benchmark: bool
    detect_anomaly: bool
    profiler: Literal["simple", "advanced", "pytorch"] | None

    @model_validator(mode="after")
    def _synchronised_statistics_need_gpus(self) -> TrainerConfig:
        if self.sync_batchnorm and self.accelerator == "cpu":
            raise ValueError("sync_batchnorm=true works on GPUs only; with accelerator=cpu give sync_batchnorm=false")
        return self


class LoggerConfig(Section):
    """Where scalars and figures go besides the run directory's own files."""

    name: Literal["tensorboard", "none"]


class EarlyStoppingConfig(Section):
    """Stop when the validation loss has not fallen for ``patience`` epochs; null never stops early."""

    patience: PositiveInt | None
    min_delta: NonNegative


class CallbacksConfig(Section):
    """What is shown and kept while training."""

    progress: Literal["auto", "bar", "lines", "none"]
    save_every: PositiveInt
    early_stopping: EarlyStoppingConfig


class SweepConfig(Section):
    """What holds for the runs of a sweep together."""

    resume: str | None
    fail_fast: bool
    prune: Literal["median"] | None
    prune_startup: PositiveInt
    prune_warmup: Annotated[int, Field(ge=0)]


class ComputeConfig(Section):
    """How the arithmetic is done; none of it changes what is computed beyond rounding."""

    channels_last: bool
    huge_pages: bool
    num_threads: PositiveInt | None


class AuditConfig(Section):
    """How hard to look for leakage and shortcuts; see conf/audit."""

    level: Literal["full", "fast", "off"]
    repeats: Annotated[int, Field(ge=1, le=1000)]
    permutations: Annotated[int, Field(ge=599, le=1_000_000)]
    after_training: bool
    table: str | None
    fail_on: Literal["blocker", "warning", "never"]


class SaliencyConfig(Section):
    """Where the model looked; see conf/saliency. Its defaults are for runs from before there was such a section."""

    method: Literal["gradcam", "integrated_gradients", "both", "none"] = "none"
    classes: Literal["predicted", "all"] = "predicted"
    images: Annotated[int, Field(ge=1, le=10_000)] = 64
    layer: Name | None = None
    steps: Annotated[int, Field(ge=8, le=1000)] = 32
    sanity_check: bool = False
    every: PositiveInt | None = None

    @model_validator(mode="after")
    def _something_to_do_it_with(self) -> SaliencyConfig:
        if self.method == "none" and (self.sanity_check or self.every is not None):
            raise ValueError("sanity_check and every need a method; give method=gradcam with them")
        if self.method == "integrated_gradients" and self.layer is not None:
            raise ValueError("layer is Grad-CAM's; method=integrated_gradients has none, so give layer=null")
        return self


class TrainConfig(Section):
    """Everything that defines a run of train.py."""

    random_state: SeedInt
    seed: SeedInt
    protocol: Literal["article", "holdout"]
    backbone: Name
    weights: Name
    resume: str | None
    output_dir: Name
    data: DataConfig
    augment: AugmentConfig
    optimizer: OptimizerConfig
    scheduler: SchedulerConfig
    trainer: TrainerConfig
    logger: LoggerConfig
    callbacks: CallbacksConfig
    sweep: SweepConfig
    compute: ComputeConfig
    audit: AuditConfig
    saliency: SaliencyConfig = SaliencyConfig()

    @model_validator(mode="after")
    def _fractions_leave_images_to_train_on(self) -> TrainConfig:
        if self.protocol == "holdout" and self.data.test_size + self.data.val_size >= 1.0:
            raise ValueError(
                f"data.test_size={self.data.test_size:g} and data.val_size={self.data.val_size:g} leave nothing to "
                "train on; expected a sum below 1"
            )
        return self

    @model_validator(mode="after")
    def _epochs_are_shown_somewhere(self) -> TrainConfig:
        if self.saliency.every is not None and self.logger.name == "none":
            raise ValueError(
                f"saliency.every={self.saliency.every} shows epochs in TensorBoard; give logger=tensorboard"
            )
        return self


class AuditCommandConfig(Section):
    """Everything that defines a run of python -m covidnet.audit."""

    run: str | None
    data_root: str | None
    random_state: SeedInt
    protocol: Literal["article", "holdout"]
    output_dir: Name
    data: DataConfig
    audit: AuditConfig


class EvaluateConfig(Section):
    """Everything that defines a run of evaluate.py."""

    run: Name
    split: Literal["train", "val", "test", "all"]
    checkpoint: Literal["best", "last"]
    data_root: str | None
    allow_changed_data: bool
    batch_size: PositiveInt | None
    device: Name
    saliency: SaliencyConfig = SaliencyConfig()

    @model_validator(mode="after")
    def _no_epochs(self) -> EvaluateConfig:
        if self.saliency.every is not None:
            raise ValueError(f"saliency.every={self.saliency.every} is for train.py: an evaluation has no epochs")
        return self
