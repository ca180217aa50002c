"""A scan that was read becomes what was found on it: weights are loaded once, any number of scans is searched.

No file is written here; :mod:`microbleeds.pipeline` makes a folder with a report of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from microbleeds.compute import Compute, Precision, choose
from microbleeds.detect import detect, settings_for
from microbleeds.errors import InputError
from microbleeds.given import texts_of
from microbleeds.localise import localise
from microbleeds.look_again import changes_for, look_again
from microbleeds.prepare import prepare
from microbleeds.report.assemble import assemble, definite_cut, is_counted
from microbleeds.report.record import DISCLAIMER, RESEARCH_USE, ModelRecord, OperatingPoint, Record
from microbleeds.scan import Scan
from microbleeds.segmentation import Segmentation, anatomy_of, segment, segment_without
from microbleeds.weights import Card, load_detector
from microbleeds.weights.expectation import expectation

OperatingPointName = Literal["balanced", "screening"]
OPERATING_POINTS: tuple[OperatingPointName, ...] = ("balanced", "screening")
#: What a stage of the search runs in: called with its name, it gives the context.
StageContext = Callable[[str], AbstractContextManager[Any]]


@dataclass(frozen=True, eq=False)
class Found:
    """What was found on a scan.

    Args:
        scan: that was searched.
        segmentation: its brain mask and regions, on ``scan.grid``.
        record: findings, counts and forms, as `findings.json` holds them.
    """

    scan: Scan
    segmentation: Segmentation
    record: Record


class Searcher:
    """Weights and a device, loaded once.

    Args:
        weights: of the detector (.safetensors with a card beside them); the shipped ones if ``None``.
        anatomy_weights: of the segmentation; the shipped ones if ``None``.
        operating_point: ``balanced``, or ``screening`` to miss less and show more.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto`` measures which is faster here.

    Raises:
        InputError: if weights, device or operating point can't be used.
    """

    def __init__(
        self,
        weights: Path | str | None = None,
        anatomy_weights: Path | str | None = None,
        *,
        operating_point: OperatingPointName = "balanced",
        device: str = "auto",
        precision: Precision = "auto",
    ) -> None:
        refuse_unknown_point(operating_point)
        self.compute: Compute = choose(device, precision)
        self._detector = load_detector(None if weights is None else Path(weights))
        anatomy = None if anatomy_weights is None else Path(anatomy_weights)
        self._network, self._anatomy = anatomy_of(anatomy)
        self._operating_point = operating_point

    @property
    def weights_sha256(self) -> dict[str, str]:
        """Hash of the weights of detector and anatomy."""
        return {"detector": self._detector.card.sha256, "anatomy": self._anatomy.sha256}

    def search(
        self,
        scan: Scan,
        *,
        doubts: str | Iterable[str] = (),
        stage: StageContext = lambda name: nullcontext(),
    ) -> Found:
        """Find the microbleeds of a scan and say where they lie.

        Args:
            scan: of :func:`microbleeds.study.open_scan` or :func:`microbleeds.study.scan_of`.
            doubts: sentences for the reader beyond those of the scan.
            stage: entered for each stage of the work.

        Raises:
            InputError: if the scan shows no brain.
        """
        if not isinstance(scan, Scan):
            raise InputError(f"A scan is needed, not a {type(scan).__name__}; of open_scan it is study.scan.")
        compute, card, model = self.compute, self._detector.card, self._detector.model
        with_phase = scan.phase_rad is not None
        settings = settings_for(card, with_phase=with_phase)
        described = model_record(card, self._operating_point, with_phase=with_phase)
        with stage("segment"):
            segmentation = segment(scan, self._network, compute, self._anatomy)
        with stage("prepare"):
            prepared = prepare(scan, segmentation.brain, card.preparation)
        with stage("detect"):
            candidates = detect(prepared, model, settings, compute)
        with stage("localise"):
            screening = card.scoring(with_phase=with_phase).operating_points.screening
            spots = [c for c in candidates if c.score >= screening]
            segmentation = segment_without(scan, segmentation, spots, self._network, compute, self._anatomy)
            places = localise(candidates, segmentation)
        with stage("look again"):
            # Thousands of candidates lie below the operating point; only what counts is worth another look.
            point = described.operating_point
            counted = [is_counted(c, p, point) for c, p in zip(candidates, places, strict=True)]
            changes = changes_for(card)
            candidates = look_again(prepared, model, candidates, counted, settings, compute, changes)
        expected = expectation(card, scan.kind, with_phase=with_phase)
        warnings = (*texts_of(doubts), *expected, *segmentation.warnings)
        disclaimer = DISCLAIMER if card.training.simulated else f"{RESEARCH_USE} {described.training}"
        record = assemble(
            scan,
            candidates,
            places,
            described,
            warnings,
            segmentation,
            disclaimer,
            mni_from_ras=segmentation.mni_from_ras if segmentation.confident else None,
        )
        return Found(scan, segmentation, record)


def refuse_unknown_point(operating_point: str) -> None:
    """Refuse what is no operating point: found when candidates are counted, it would cost the whole search.

    Raises:
        InputError: if it is none.
    """
    if operating_point not in OPERATING_POINTS:
        raise InputError(
            f"The operating point {operating_point!r} is unknown; use {' or '.join(OPERATING_POINTS)}."
        )


def model_record(card: Card, operating_point: OperatingPointName, *, with_phase: bool) -> ModelRecord:
    """Describe weights at an operating point, for a scan with its phase or without."""
    cut = getattr(card.scoring(with_phase=with_phase).operating_points, operating_point)
    training = card.training
    kind = f"simulated scans ({training.data})" if training.simulated else f"scans of {training.data}"
    return ModelRecord(
        name=card.name,
        sha256=card.sha256,
        training=f"Its weights learned from {training.subjects} {kind}.",
        scores=card.scores,
        operating_point=OperatingPoint(name=operating_point, cut=cut, definite_cut=definite_cut(cut)),
    )
