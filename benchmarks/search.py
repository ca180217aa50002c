"""One way to search a scan for all rows: from prepared arrays to candidates."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from microbleeds.compute import Compute
from microbleeds.detect import DetectSettings, detect
from microbleeds.networks.config import Stride
from microbleeds.networks.detector import Detector
from microbleeds.prepare import Prepared
from microbleeds.weights import load_detector
from rows import DETECTOR, Row

FLOOR = 0.005  # of uncalibrated scores; a proposal network alone has many false positives, and curves want them


class Searcher(Protocol):
    """A trained method."""

    def facts(self) -> dict[str, Any]:
        """What is to be said of it beside its result: parameters, steps, seed, hash of the weights."""
        ...

    def search(self, prepared: Prepared) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return positions [N, 3] in RAS mm and scores [N] of the candidates in the brain."""
        ...


class DetectorSearcher:
    """The package's detector, with uncalibrated scores."""

    def __init__(
        self,
        model: Detector,
        facts: dict[str, Any],
        compute: Compute,
        window: Stride | None = None,
        overlap: float = DetectSettings.window_overlap,
    ) -> None:
        self._model, self._facts, self._compute = model, facts, compute
        self._settings = DetectSettings(
            floor=FLOOR, measure_diameters=False, window=window, window_overlap=overlap
        )

    @classmethod
    def load(cls, weights: Path, compute: Compute) -> DetectorSearcher:
        """Load the weights of a run."""
        loaded = load_detector(weights)
        card = loaded.card
        facts = {
            "weights_sha256": card.sha256,
            "parameters": card.parameters,
            "steps": card.training.steps,
            "seed": card.training.seed,
            "training_minutes": card.training.minutes,
            "training_scans": card.training.subjects,
        }
        return cls(loaded.model, facts, compute, card.search_window)

    def facts(self) -> dict[str, Any]:
        """See :class:`Searcher`."""
        return self._facts

    def search(self, prepared: Prepared) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See :class:`Searcher`."""
        found = detect(prepared, self._model, self._settings, self._compute)
        positions = np.array([candidate.position_ras_mm for candidate in found]).reshape(-1, 3)
        return positions, np.array([candidate.score for candidate in found])


def searcher_of(row: Row, run: Path, compute: Compute) -> Searcher:
    """Load what a row's run has learned."""
    if row.method == DETECTOR:
        return DetectorSearcher.load(run / "weights.safetensors", compute)
    from peers import load_peer  # MONAI is wanted by peers only

    return load_peer(row.method, run, compute)
