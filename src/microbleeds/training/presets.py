"""Presets: everything that decides a training run, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from microbleeds.errors import InputError
from microbleeds.networks.config import KIM_2023, DetectorConfig, RefinementConfig
from microbleeds.prepare import PreparationSpec


@dataclass(frozen=True)
class TargetSettings:
    """Which cells are positive and which do not count.

    Args:
        positive_mm: cells whose middle lies this near to a bleed's centre are positive; the one that holds
            the centre always is.
        ignore_mm: cells up to here, and around what is neither hit nor false positive, do not count.
    """

    positive_mm: float = 2.2
    ignore_mm: float = 4.5


@dataclass(frozen=True)
class LossSettings:
    """Weights and constants of the three losses.

    Args:
        focal_gamma: focusing exponent.
        focal_alpha: weight of positives; negatives weigh ``1 - alpha``.
        offset_weight: of the centre offset.
        prototype_weight: of the concentration loss.
        prototype_warmup: steps before the prototypes start at the class means.
        normalise_prototypes: compare directions instead of raw features.
        hard_per_crop: cells taken as mimics from each crop without a bleed, the most bleed-like first.
    """

    focal_gamma: float = 2.0
    focal_alpha: float = 0.5
    offset_weight: float = 0.2
    prototype_weight: float = 0.1
    prototype_warmup: int = 400
    normalise_prototypes: bool = True
    hard_per_crop: int = 3


@dataclass(frozen=True)
class SamplingSettings:
    """Where crops come from; what the shares leave is anywhere in the brain.

    Args:
        crop: voxels of a crop.
        batch: crops of a step.
        wide_crop: voxels of the one crop of a wide step.
        share_wide: of steps that are wide. A search sees a brain as a whole: where nothing as wide was ever
            learned from, coarse features may go astray there and raise scores all over (docs/method.md).
        share_bleed: of crops that hold a microbleed for sure.
        share_mimic: a known mimic.
        share_mined: what the detector took for a microbleed before.
    """

    crop: tuple[int, int, int] = (96, 96, 24)
    batch: int = 4
    wide_crop: tuple[int, int, int] = (192, 192, 48)
    share_wide: float = 0.0
    share_bleed: float = 0.5
    share_mimic: float = 0.125
    share_mined: float = 0.125


@dataclass(frozen=True)
class AugmentSettings:
    """Strength of each augmentation; all zero switches it off.

    Args:
        flips: chance of a mirror image along each axis.
        quarter_turns: chance of turning by 90 degrees in plane.
        warp: chance of a small rotation and scaling in plane (interpolates, so it also blurs a little).
        rotation_deg: largest small rotation.
        scaling: largest relative scaling.
        gamma: SWI contrast, exponent within exp(+-gamma).
        gain: SWI gain within exp(+-gain).
        noise: largest standard deviation of added SWI noise, in units of the brain's median.
        phase_gain: phase gain within exp(+-phase_gain): echo time and filter differ between sites.
        phase_noise_rad: largest standard deviation of added phase noise.
        phase_dropout: chance of no phase at all, so that the SWI alone works too.
        mask_mm: brain mask grown or shrunk by up to this.
    """

    flips: float = 0.5
    quarter_turns: float = 0.5
    warp: float = 0.4
    rotation_deg: float = 15.0
    scaling: float = 0.12
    gamma: float = 0.25
    gain: float = 0.1
    noise: float = 0.05
    phase_gain: float = 0.35
    phase_noise_rad: float = 0.15
    phase_dropout: float = 0.2
    mask_mm: float = 2.0


NO_AUGMENTATION = AugmentSettings(**dict.fromkeys(AugmentSettings.__dataclass_fields__, 0.0))
# Of the second stage: contrast is what tells a bleed from its neighbours there.
GENTLE_AUGMENTATION = replace(
    NO_AUGMENTATION, flips=0.5, quarter_turns=0.5, gamma=0.15, gain=0.08, phase_gain=0.25, phase_dropout=0.1
)


@dataclass(frozen=True)
class OptimiserSettings:
    """How weights move.

    Args:
        kind: ``adamw`` or ``sgd`` (with momentum 0.9).
        rate: peak learning rate.
        weight_decay: on convolution weights only.
        schedule: ``cosine`` to zero, or ``step``: times ``step_factor`` every ``step_share`` of the run.
        warmup_steps: of linear rise.
        clip_norm: largest gradient norm, ``None`` for no limit.
        average_decay: of the exponential moving average of the weights.
    """

    kind: Literal["adamw", "sgd"] = "adamw"
    rate: float = 2e-3
    weight_decay: float = 1e-2
    schedule: Literal["cosine", "step"] = "cosine"
    step_share: float = 0.25
    step_factor: float = 0.5
    warmup_steps: int = 100
    clip_norm: float | None = 5.0
    average_decay: float = 0.998


@dataclass(frozen=True)
class RefinementSettings:
    """How the second stage learns, after the first.

    Args:
        steps: of the optimiser; 0 leaves it as it is.
        search_subjects: training subjects searched for false positives, at most.
        batch: patches of a step, half of them microbleeds.
        shift_voxels: largest distance of what is learned from the middle of a patch along each axis, since the
            first stage is off by as much.
        label_smoothing: how far targets lie from 0 and 1.
        share_of_time: of a run's time limit.
        optimiser: how weights move.
        augment: what is varied.
    """

    steps: int = 3000
    search_subjects: int = 240
    batch: int = 64
    shift_voxels: tuple[float, float, float] = (2.5, 2.5, 0.65)
    label_smoothing: float = 0.01
    share_of_time: float = 0.25
    optimiser: OptimiserSettings = OptimiserSettings()
    augment: AugmentSettings = GENTLE_AUGMENTATION


@dataclass(frozen=True)
class Preset:
    """A training run by name.

    Args:
        based_on: preset that it is a variant of; itself if empty.
        steps: optimiser steps of the whole run.
        validate_every: steps between validations.
        mine_every: steps between minings of hard negatives; 0 for none.
        mine_subjects: training subjects searched at each mining.
        checkpoint_every: steps between checkpoints.
        patience: validations without a better one after which a run ends early; 0 for never.
        at_start: validate and search hard negatives before the first step too, since the weights that the run
            goes on from know something already.
        frozen_norms: keep the running statistics of the batch norms that the run starts from.
        search_window: voxels of the window in which its weights search a brain, in training and after it, as the
            paper does; the brain as a whole if ``None``, which needs weights that have seen wide crops or do
            not mind.
        refinement: how the second stage learns, where the architecture has one.
    """

    name: str
    architecture: DetectorConfig = field(default_factory=DetectorConfig)
    preparation: PreparationSpec = field(default_factory=PreparationSpec)
    targets: TargetSettings = TargetSettings()
    losses: LossSettings = LossSettings()
    sampling: SamplingSettings = SamplingSettings()
    augment: AugmentSettings = AugmentSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    steps: int = 7000
    validate_every: int = 1000
    mine_every: int = 500
    mine_subjects: int = 12
    checkpoint_every: int = 100
    patience: int = 0
    at_start: bool = False
    frozen_norms: bool = False
    search_window: tuple[int, int, int] | None = None
    refinement: RefinementSettings = RefinementSettings()
    based_on: str = ""

    @property
    def sees_phase(self) -> bool:
        """Whether any crop shows its phase."""
        return self.augment.phase_dropout < 1

    @property
    def refines(self) -> bool:
        """Whether a second stage is learned."""
        return self.architecture.refinement is not None and self.refinement.steps > 0

    def of_length(self, steps: int | None, refinement_steps: int | None = None) -> Preset:
        """Return the preset with so many steps of each stage; those of the second go by the first if not given."""
        share = 1.0 if steps is None or steps == 0 else steps / self.steps
        second = max(1, round(share * self.refinement.steps)) if refinement_steps is None else refinement_steps
        first = self.steps if steps is None else steps
        return replace(self, steps=first, refinement=replace(self.refinement, steps=second))

    def __post_init__(self) -> None:
        sampling, stride = self.sampling, self.architecture.total_stride
        seen = [("crop", sampling.crop), ("window", self.search_window)]
        seen += [("wide crop", sampling.wide_crop)] if sampling.share_wide else []
        for name, sides in seen:
            if sides is not None and any(side % s for side, s in zip(sides, stride, strict=True)):
                raise ValueError(f"The {name} {sides} must be a multiple of {stride}.")


# Kim et al. (arXiv 2306.13020): slices interpolated to 224, crop 128^3, crops with and without a bleed 1:1,
# batch 1, SGD 0.01 with momentum 0.9, schedule (50, 0.5), loss weights 1 / 0.001 / 0.01. Where the paper is
# silent: focal gamma 2 and alpha 0.25 are Lin et al.'s; only the cell that holds the centre is positive,
# since its offset can't leave the cell; "50" is read as a quarter of 200 epochs; no augmentation; prototypes
# start at class means of raw features, since drawn at random they do not train.
PRESETS: dict[str, Preset] = {
    "default": Preset(
        "default",
        architecture=DetectorConfig(refinement=RefinementConfig()),
        sampling=SamplingSettings(share_wide=0.5),
    ),
    "kim2023": Preset(
        "kim2023",
        architecture=KIM_2023,
        preparation=PreparationSpec(slices=224, normalisation="min-max"),
        targets=TargetSettings(positive_mm=0.0),
        losses=LossSettings(
            focal_alpha=0.25,
            offset_weight=0.001,
            prototype_weight=0.01,
            normalise_prototypes=False,
            hard_per_crop=1,
        ),
        sampling=SamplingSettings(crop=(128, 128, 128), batch=1, share_mimic=0.0, share_mined=0.0),
        augment=NO_AUGMENTATION,
        optimiser=OptimiserSettings(
            kind="sgd", rate=0.01, weight_decay=0.0, schedule="step", warmup_steps=0, clip_norm=None
        ),
        steps=60_000,
        mine_every=0,
        search_window=(128, 128, 128),
    ),
}


def find_preset(name: str) -> Preset:
    """Return a preset by name.

    Raises:
        InputError: if there is none of this name.
    """
    if name not in PRESETS:
        raise InputError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]
