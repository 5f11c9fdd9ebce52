"""Section `train` of params.yaml: each kind of optimiser and schedule has its own settings."""

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from cxrfair.config import Section
from cxrfair.images.augment import AugmentConfig
from cxrfair.ranges import Between
from cxrfair.vector_network import MlpConfig

Below1 = Annotated[float, Field(gt=0, lt=1)]
LearningRate = Annotated[
    PositiveFloat,
    Between(1e-5, 1e-2, log=True),
    Field(description="the largest step, before the schedule and a player's own rate"),
]
WeightDecay = Annotated[
    NonNegativeFloat,
    Between(1e-6, 1e-2, log=True),
    Field(description="how strongly weights are drawn towards zero"),
]


class Adam(Section):
    """Adam (Kingma & Ba 2015), or with decoupled weight decay AdamW (Loshchilov & Hutter 2019)."""

    kind: Literal["adam", "adamw"]
    learning_rate: LearningRate
    weight_decay: WeightDecay


class Sgd(Section):
    """Stochastic gradient descent with momentum."""

    kind: Literal["sgd"]
    learning_rate: LearningRate
    weight_decay: WeightDecay
    momentum: Annotated[float, Field(ge=0, lt=1)]


class Constant(Section):
    """The full rate after the warm-up."""

    kind: Literal["constant"]
    warmup_epochs: NonNegativeFloat


class Cosine(Section):
    """Half a cosine from the full rate to zero, step by step."""

    kind: Literal["cosine"]
    warmup_epochs: NonNegativeFloat


class Step(Section):
    """The rate times `factor` after every `every_epochs` epochs."""

    kind: Literal["step"]
    warmup_epochs: NonNegativeFloat
    every_epochs: PositiveInt
    factor: Below1


class Plateau(Section):
    """The rate times `factor` after `patience_epochs` epochs without a better score."""

    kind: Literal["plateau"]
    warmup_epochs: NonNegativeFloat
    patience_epochs: PositiveInt
    factor: Below1


OptimiserConfig = Annotated[Adam | Sgd, Field(discriminator="kind")]
ScheduleConfig = Annotated[Constant | Cosine | Step | Plateau, Field(discriminator="kind")]


class ValidationConfig(Section):
    """What an epoch is judged by, on at most `images` validation images (the same for everyone).

    `measure` is `loss` or any metric that needs scores, averaged over labels. With
    `patience_epochs`, a training stops after that many epochs without a better one.
    """

    measure: str
    images: PositiveInt
    patience_epochs: PositiveInt | None


class TrainConfig(Section):
    """Section `train` of params.yaml, described there line by line."""

    backbone: str
    pretrained: str
    channels: Literal[1, 3]
    output_stride: Literal[8, 16, 32] | None = None
    epochs: PositiveInt
    batch_size: Annotated[int, Field(ge=2)]
    accumulate: PositiveInt
    processes: PositiveInt
    precision: Literal["auto", "fp32", "bf16"]
    compile: bool
    optimiser: OptimiserConfig
    schedule: ScheduleConfig
    clip_norm: PositiveFloat | None
    validation: ValidationConfig
    select: Literal["best", "last"]
    early_epochs: PositiveInt
    checkpoint_steps: PositiveInt
    threads: PositiveInt
    augment: AugmentConfig
    mlp: MlpConfig

    @model_validator(mode="after")
    def _fits(self) -> Self:
        held = self.processes * self.accumulate
        if self.batch_size < 2 * held:
            raise ValueError(
                f"batch_size {self.batch_size} over {self.processes} processes and "
                f"{self.accumulate} parts leaves fewer than two images at a time"
            )
        if self.early_epochs > self.epochs:
            raise ValueError(f"early_epochs {self.early_epochs} is after the last, {self.epochs}")
        return self
