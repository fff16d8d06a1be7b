"""The typed shape of every configuration key: its type, its range and its choices.

The keys are described where a user meets them, in the YAML files under conf/; here stands what is allowed.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from covidnet.naming import did_you_mean

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


Classes = dict[Name, Name | list[Name]]
Protocol = Literal["article", "holdout", "patient", "kfold", "source", "given"]


class DataSettings(Section):
    """What all data sources share: the split, the pixels, the loader and the external test set."""

    external: Name | None = None
    external_classes: Classes | None = None
    image_size: Annotated[int, Field(ge=16, le=4096)]
    test_size: OpenFraction
    val_size: OpenFraction
    normalize: Literal["none", "imagenet"]
    positive_class: str | None
    on_bad_image: Literal["error", "skip"]
    max_pixels: Annotated[int, Field(ge=1, le=1_000_000_000)]
    cache: bool
    cache_dir: Name
    batch_size: PositiveInt
    sampling: Literal["shuffle", "balanced"] = "shuffle"
    num_workers: Annotated[int, Field(ge=0)]


class NamedData(DataSettings):
    """Images in class folders, whose names may tell patient and source."""

    root: Name
    patients: Name | None = None
    sources: Name | None = None


class FolderData(NamedData):
    """Images in class folders."""

    source: Literal["folder"]


class TableColumns(Section):
    """Names of columns; auto takes a well-known name where the table has one, null none."""

    path: Name
    label: Name
    patient: Name | None
    source: Name | None
    split: Name | None
    view: Name | None
    age: Name | None
    sex: Name | None
    weight: Name | None
    x: Name | None
    y: Name | None


class TableData(DataSettings):
    """Images that a table lists."""

    patient_labels: Literal["one", "many"]


class CsvData(TableData):
    """Any table with a row per image; see conf/data/csv.yaml."""

    source: Literal["csv"]
    table: Name
    root: Name | None
    columns: TableColumns
    classes: Classes | None
    separator: Literal["auto", "comma", "semicolon", "tab", "pipe"]
    encoding: Name


class CohenData(TableData):
    """The public covid-chestxray-dataset; see conf/data/cohen.yaml."""

    source: Literal["cohen"]
    root: Name
    findings: Annotated[Classes, Field(min_length=1)] | None
    views: list[Name]
    modality: Name
    source_column: Name | None


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


class PhantomData(NamedData):
    """Images drawn by the project itself."""

    source: Literal["phantoms"]
    count: Annotated[int, Field(ge=10, le=100_000)]
    phantom_seed: SeedInt
    faults: FaultsConfig


class PhantomPatchData(DataSettings):
    """Patches of images drawn by the project itself: three classes, several patches of each patient."""

    source: Literal["phantom_patches"]
    root: Name
    patients: Annotated[int, Field(ge=6, le=100_000)]
    patches: Annotated[int, Field(ge=1, le=24)]
    phantom_seed: SeedInt


AnyData = FolderData | CsvData | CohenData | PhantomData | PhantomPatchData
DataConfig = Annotated[AnyData, Field(discriminator="source")]


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
    fill: Fraction | Literal["edge"]

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


class InverseTimeConfig(Section):
    """The rate divided by 1 + decay * optimiser steps so far, as Keras's optimisers did until version 2.10."""

    name: Literal["inverse_time"]
    decay: Positive | None


class NoSchedulerConfig(Section):
    """A constant learning rate."""

    name: Literal["none"]


SchedulerConfig = Annotated[
    PlateauConfig | CosineConfig | OneCycleConfig | InverseTimeConfig | NoSchedulerConfig, Field(discriminator="name")
]


class DefaultHeadConfig(Section):
    """The backbone's own pooling and last layer, with as many outputs as there are classes."""

    name: Literal["default"] = "default"


class PooledMLPHeadConfig(Section):
    """Average pooling of the feature map, a hidden layer with dropout, and the output layer."""

    name: Literal["pooled_mlp"]
    pool: PositiveInt
    hidden: Annotated[int, Field(ge=1, le=65_536)]
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)]


class LocationHeadConfig(Section):
    """Pooled features joined by each patch's distance from the edge, then three fully connected layers."""

    name: Literal["location"]
    hidden: Annotated[int, Field(ge=1, le=65_536)]


HeadConfig = Annotated[DefaultHeadConfig | PooledMLPHeadConfig | LocationHeadConfig, Field(discriminator="name")]


class LossConfig(Section):
    """What training minimises besides plain cross-entropy; see conf/train.yaml."""

    class_weights: str | dict[str, NonNegative] = "none"
    spectral_decoupling: NonNegative = 0.0
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0

    @field_validator("class_weights", mode="before")
    @classmethod
    def _words_or_weights(cls, value: object) -> object:
        words = ("none", "balanced")
        if isinstance(value, str) and value not in words:
            raise ValueError(f"expected none, balanced or {{CLASS: WEIGHT}}.{did_you_mean(value, words)}")
        if isinstance(value, str):
            return value
        numbers = list(value.values()) if isinstance(value, dict) else []
        if not all(isinstance(weight, int | float) and 0 <= weight < math.inf for weight in numbers):
            raise ValueError("each weight has to be a number of at least 0, as in {covid: 2, normal: 1}")
        if not isinstance(value, dict) or not any(numbers):
            raise ValueError("expected none, balanced or {CLASS: WEIGHT} with a weight above 0, as in {covid: 2}")
        return {str(name): float(weight) for name, weight in value.items()}


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


class TensorBoardConfig(Section):
    """Scalars, figures, curves, features and hyperparameters for TensorBoard; see conf/logger/tensorboard.yaml."""

    name: Literal["tensorboard"]
    projector: Annotated[int, Field(ge=0, le=10_000)] = 500


class NoLoggerConfig(Section):
    """Nothing besides the run directory's own files."""

    name: Literal["none"]


LoggerConfig = Annotated[TensorBoardConfig | NoLoggerConfig, Field(discriminator="name")]


class EarlyStoppingConfig(Section):
    """Stop when the validation loss has not fallen for ``patience`` epochs; null never stops early."""

    patience: PositiveInt | None
    min_delta: NonNegative


class CallbacksConfig(Section):
    """What is shown and kept while training."""

    progress: Literal["auto", "bar", "lines", "none"]
    save_every: PositiveInt | Literal["auto"]
    early_stopping: EarlyStoppingConfig


class SweepConfig(Section):
    """What holds for the runs of a sweep together."""

    resume: str | None
    fail_fast: bool
    prune: Literal["median"] | None
    prune_startup: PositiveInt
    prune_warmup: Annotated[int, Field(ge=0)]
    pack: PositiveInt = 1


class ComputeConfig(Section):
    """How the arithmetic is done; none of it changes what is computed beyond rounding."""

    channels_last: bool
    huge_pages: bool
    keep_memory: bool = False
    fused_optimizer: bool = False
    out_of_memory: Literal["stop", "halve"] = "stop"
    resident: bool | Literal["auto"] = False
    compile: Literal["none", "default", "reduce-overhead", "max-autotune"] = "none"
    tf32: bool = False
    num_threads: PositiveInt | None


class AuditConfig(Section):
    """How hard to look for leakage and shortcuts; see conf/audit."""

    level: Literal["full", "fast", "off"]
    repeats: Annotated[int, Field(ge=1, le=1000)]
    permutations: Annotated[int, Field(ge=599, le=1_000_000)]
    after_training: bool
    table: str | None
    fail_on: Literal["blocker", "warning", "never"]


class EvaluationConfig(Section):
    """What is computed from predictions; see conf/train.yaml. The defaults are for runs made before it existed."""

    at_sensitivity: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    at_specificity: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    calibrate: Literal["none", "temperature"] = "none"
    bins: Annotated[int, Field(ge=2, le=100)] = 10
    bootstrap: Annotated[int, Field(ge=200, le=100_000)] = 2000
    prevalence: OpenFraction | None = None

    @model_validator(mode="after")
    def _one_operating_point(self) -> EvaluationConfig:
        if self.at_sensitivity is not None and self.at_specificity is not None:
            raise ValueError("at_sensitivity and at_specificity: expected one of them, the other null")
        return self


class ReportConfig(Section):
    """The page of a run; see conf/train.yaml. The defaults are for runs made before it existed."""

    enabled: bool = True
    images: Annotated[int, Field(ge=0, le=2000)] = 200
    figures: bool = True


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


class ProtocolKeys(Section):
    """Who trains, who chooses the epoch, who is tested; see conf/train.yaml."""

    random_state: SeedInt
    protocol: Protocol
    folds: Annotated[int, Field(ge=2, le=1000)] = 5
    repeats: Annotated[int, Field(ge=1, le=1000)] = 1
    fold: Annotated[int, Field(ge=0)] | None = None
    data: DataConfig

    @model_validator(mode="after")
    def _fractions_leave_images_to_train_on(self) -> ProtocolKeys:
        if self.protocol in {"holdout", "patient"} and self.data.test_size + self.data.val_size >= 1.0:
            raise ValueError(
                f"data.test_size={self.data.test_size:g} and data.val_size={self.data.val_size:g} leave nothing to "
                "train on; expected a sum below 1"
            )
        return self

    @model_validator(mode="after")
    def _folds_have_a_protocol(self) -> ProtocolKeys:
        if self.fold is not None and self.protocol not in {"kfold", "source"}:
            raise ValueError(f"fold={self.fold}: protocol={self.protocol} has no folds; give protocol=kfold or source")
        if self.protocol == "kfold" and self.fold is not None and self.fold >= self.folds * self.repeats:
            raise ValueError(
                f"fold={self.fold}: folds={self.folds} and repeats={self.repeats} make the folds 0 to "
                f"{self.folds * self.repeats - 1}"
            )
        return self

    @model_validator(mode="after")
    def _one_set_is_external(self) -> ProtocolKeys:
        if self.protocol == "source" and self.data.external is not None:
            raise ValueError(
                f"data.external={self.data.external}: with protocol=source the source left out is the external test "
                "set already; give another protocol, or data.external=null"
            )
        return self


class TrainConfig(ProtocolKeys):
    """Everything that defines a run of train.py."""

    seed: SeedInt
    backbone: Name
    weights: Name
    freeze: Literal["none", "backbone"] = "none"
    aggregate: Literal["none", "mean", "max", "noisy_or"] = "none"
    resume: str | None
    repeat: Name | None = None
    output_dir: Name
    augment: AugmentConfig
    head: HeadConfig = DefaultHeadConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig
    scheduler: SchedulerConfig
    trainer: TrainerConfig
    logger: LoggerConfig
    callbacks: CallbacksConfig
    sweep: SweepConfig
    compute: ComputeConfig
    audit: AuditConfig
    evaluation: EvaluationConfig = EvaluationConfig()
    report: ReportConfig = ReportConfig()
    saliency: SaliencyConfig = SaliencyConfig()

    @model_validator(mode="after")
    def _whole_runs_are_pruned(self) -> TrainConfig:
        if self.sweep.prune is not None and self.protocol in {"kfold", "source"} and self.fold is None:
            raise ValueError(f"sweep.prune={self.sweep.prune}: a run over all folds cannot be pruned; sweep over fold")
        return self

    @model_validator(mode="after")
    def _one_correction_of_one_imbalance(self) -> TrainConfig:
        if self.data.sampling == "balanced" and self.loss.class_weights == "balanced":
            raise ValueError(
                "data.sampling=balanced and loss.class_weights=balanced correct the same imbalance twice; leave one out"
            )
        return self

    @model_validator(mode="after")
    def _patches_stay_where_they_are(self) -> TrainConfig:
        if self.head.name == "location" and any(self.augment.translation):
            raise ValueError(
                f"augment.translation={self.augment.translation}: moves what a patch shows, but not the position that "
                "head=location is told; give augment.translation=[0,0]"
            )
        return self

    @model_validator(mode="after")
    def _epochs_are_shown_somewhere(self) -> TrainConfig:
        if self.saliency.every is not None and self.logger.name == "none":
            raise ValueError(
                f"saliency.every={self.saliency.every} shows epochs in TensorBoard; give logger=tensorboard"
            )
        return self


class AuditCommandConfig(ProtocolKeys):
    """Everything that defines a run of python -m covidnet.audit."""

    run: str | None
    data_root: str | None
    output_dir: Name
    audit: AuditConfig


class EvaluateConfig(Section):
    """Everything that defines a run of evaluate.py."""

    run: Name
    split: Literal["train", "val", "test", "all"]
    external: str | None
    external_classes: Classes | None
    checkpoint: Literal["best", "last"]
    data_root: str | None
    allow_changed_data: bool
    batch_size: PositiveInt | None
    device: Name
    report: bool | None
    predict: Literal["auto", "always", "never"]
    at_sensitivity: Annotated[float, Field(gt=0.0, le=1.0)] | None
    at_specificity: Annotated[float, Field(gt=0.0, le=1.0)] | None
    calibrate: Literal["none", "temperature"] | None
    bins: Annotated[int, Field(ge=2, le=100)] | None
    bootstrap: Annotated[int, Field(ge=200, le=100_000)] | None
    prevalence: OpenFraction | None
    saliency: SaliencyConfig = SaliencyConfig()

    @model_validator(mode="after")
    def _one_operating_point(self) -> EvaluateConfig:
        if self.at_sensitivity is not None and self.at_specificity is not None:
            raise ValueError("at_sensitivity and at_specificity: expected one of them, the other null")
        return self

    @model_validator(mode="after")
    def _no_epochs(self) -> EvaluateConfig:
        if self.saliency.every is not None:
            raise ValueError(f"saliency.every={self.saliency.every} is for train.py: an evaluation has no epochs")
        return self


class PredictConfig(Section):
    """Everything that defines a run of predict.py."""

    run: Name
    input: Name
    format: Literal["csv", "json"]
    output: Name | None
    abstain: bool
    calibrate: Literal["none", "temperature"] | None
    overlays: bool
    batch_size: PositiveInt | None
    device: Name


class ExportConfig(Section):
    """Everything that defines a run of python -m covidnet.export."""

    run: Name
    format: Literal["onnx", "torch"]
    int8: bool
    calibrate: Literal["none", "temperature"] | None
    images: PositiveInt
    output: Name | None
    data_root: str | None

    @model_validator(mode="after")
    def _quantised_as_onnx(self) -> ExportConfig:
        if self.int8 and self.format != "onnx":
            raise ValueError(f"int8=true is for format=onnx; found format={self.format}")
        return self


class DemoConfig(Section):
    """Everything that defines a run of python -m covidnet.demo."""

    run: Name
    port: Annotated[int, Field(ge=1, le=65_535)] | None
    browser: bool
    calibrate: Literal["none", "temperature"] | None
    overlays: bool
    max_upload_mb: Annotated[int, Field(ge=1, le=1000)]
    device: Name
