"""The card beside a weights file: everything that must be known to use it, and how well it did.

Free of torch, so that ``info`` and reports can read it quickly.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import expit

from microbleeds.networks.config import DetectorConfig, Stride
from microbleeds.prepare import PreparationSpec

CARD_FORMAT = 1


class Calibration(BaseModel):
    """Platt scaling of the raw logit (Platt 1999): score = sigmoid(intercept + slope * logit)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    intercept: float = 0.0
    slope: float = Field(default=1.0, gt=0)

    def score(self, logit: ArrayLike) -> NDArray[np.float64]:
        """Map raw logits [...] to scores in 0..1 [...]."""
        return expit(self.intercept + self.slope * np.asarray(logit, dtype=np.float64))


class OperatingPoints(BaseModel):
    """Scores above which a candidate is reported."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    balanced: float = Field(default=0.5, ge=0, le=1)
    screening: float = Field(default=0.2, ge=0, le=1)


class Scoring(BaseModel):
    """How a raw logit becomes a score, and from which score on a candidate is reported.

    Args:
        calibration: raw logit to score.
        operating_points: thresholds on the calibrated score.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    calibration: Calibration = Calibration()
    operating_points: OperatingPoints = OperatingPoints()


class TrainingDescription(BaseModel):
    """Where the weights come from.

    Args:
        data: name of the data set, or what was simulated.
        simulated: whether the data are simulated scans (cards without this key are of such).
        subjects: scans learned from, without those validated on.
        preset: name of the settings.
        based_on: preset whose crops, losses and optimiser these settings are of, where they are no preset's own.
        steps: of the optimiser.
        seed: of everything random.
        minutes: of training.
        flips: whether mirrored crops were learned from, so that a mirror image may be shown to the weights
            (cards without this key are of such).
        notes: which weights of the run these are, and warnings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    simulated: bool = True
    subjects: int
    preset: str
    based_on: str = ""
    steps: int
    seed: int
    minutes: float
    flips: bool = True
    notes: str = ""


class Card(BaseModel):
    """The JSON card of a detector.

    Args:
        name: of the weights.
        package_version: of the package that wrote them.
        created: ISO date and time, UTC.
        sha256: of the safetensors file, 64 hexadecimal digits.
        parameters: number of trainable numbers.
        architecture: how to rebuild the network.
        preparation: how a scan must be prepared.
        training: where the weights come from.
        scores: name of a measure to its value, on data that the card's training did not see.
        operating_points: thresholds on the calibrated score, of scans with phase.
        calibration: raw logit to score, of scans with phase.
        without_phase: both for scans without; as with phase if ``None``. Without phase the same logit means less:
            a bleed and calcium may look alike.
        search_window: voxels of the window in which a brain is searched; the brain as a whole if ``None``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = CARD_FORMAT
    name: str
    package_version: str
    created: str
    sha256: str = ""
    parameters: int = 0
    architecture: DetectorConfig
    preparation: PreparationSpec
    training: TrainingDescription
    scores: dict[str, float] = Field(default_factory=dict)
    operating_points: OperatingPoints = OperatingPoints()
    calibration: Calibration = Calibration()
    without_phase: Scoring | None = None
    search_window: Stride | None = None

    def scoring(self, *, with_phase: bool) -> Scoring:
        """How candidates of a scan are scored, with its phase or without."""
        if not with_phase and self.without_phase is not None:
            return self.without_phase
        return Scoring(calibration=self.calibration, operating_points=self.operating_points)


def card_sha256(card: BaseModel) -> str:
    """Return the sha256 of a card, which holds that of its weights.

    Thresholds, calibration and limits stand in the card and change findings; what it says of tests changes none.
    """
    return hashlib.sha256(card.model_dump_json(exclude={"scores"}).encode()).hexdigest()
