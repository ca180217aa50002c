"""The result of one scan: what `findings.json` holds; HTML, TSV and labels follow from it.

Conventions:
    * ``position_ras_mm`` and ``position_lps_mm`` are the same point in NIfTI's and in DICOM's world;
      ``position_ijk`` is the voxel of the **input file** that holds it, counted from 0. Pages say slices, counted
      from 1 as viewers do.
    * ``findings`` lists those that count first (falling score), then the removed ones; ids start at 1 and
      are the numbers in `labels.nii.gz`.
    * ``group``, ``row``, ``counts`` and ``form`` follow the scale named in ``scale`` (MARS); ``scales`` and
      ``bombs`` count the same findings by the other scales.
    * A minor version adds fields, a major version changes or removes them. Files of an earlier minor version are
      read; what they lack has its default.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from microbleeds.errors import InputError, first_fault
from microbleeds.geometry import Grid
from microbleeds.given import path_of
from microbleeds.regions import CSF, MARGIN_LIMIT_MM, VENTRICLE

SCHEMA_VERSION: Literal["1.4.0"] = "1.4.0"
RESEARCH_USE = "Research use. Not a medical device."
DISCLAIMER = f"{RESEARCH_USE} Weights learned from simulated scans."

Group = Literal["lobar", "deep", "infratentorial", "none"]
Side = Literal["left", "right", "none"]
Certainty = Literal["definite", "possible"]
RemovedBy = Literal["score", "anatomy", "reader"]
PlaceConfidence = Literal["sure", "border", "uncertain", "unknown", "reader"]
Triple = tuple[float, float, float]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


def disclaimer_of(disclaimers: Iterable[str]) -> str:
    """Return what a page about several results says of them; of none what the shipped weights are."""
    return " ".join(dict.fromkeys(disclaimers)) or DISCLAIMER


class Strict(BaseModel):
    """A model that knows all its fields and doesn't change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SequenceRecord(Strict):
    """Acquisition facts from sidecar or header; null where nothing says."""

    field_strength_t: float | None = None
    echo_time_ms: float | None = None
    repetition_time_ms: float | None = None
    flip_angle_deg: float | None = None
    manufacturer: str | None = None


class PhaseRecord(Strict):
    """How the phase image was understood, each with the reason."""

    scale: str
    scale_source: str
    sign: Literal["paramagnetic-bright", "paramagnetic-dark"]
    sign_source: str
    high_pass_filtered: bool
    high_pass_source: str


class ImagesRecord(Strict):
    """The DICOM images that were searched, as an archive numbers them."""

    series: int = Field(description="Series Number.")
    numbers: list[int] = Field(
        description="Of each slice along the third axis: Instance Number, or the number of the frame (from 1)."
    )
    frames: bool = Field(description="Whether they are frames of a multi-frame image.")


class ScanRecord(Strict):
    """The scan as it was read; shape, spacing and orientation are those of the input file."""

    files: dict[str, str] = Field(description="Role (swi, magnitude, phase) to path as given.")
    kind: Literal["swi", "t2star"] = Field(
        description="swi: where `files` has none, it was made here from magnitude and phase."
    )
    shape: tuple[int, int, int]
    spacing_mm: Triple
    orientation: str = Field(description="Nearest anatomical direction of each axis, for instance LPS.")
    sequence: SequenceRecord
    phase: PhaseRecord | None
    images: ImagesRecord | None = Field(
        default=None, description="Null where the scan was no DICOM or its images have no numbers."
    )

    @property
    def slice_axis(self) -> int:
        """Axis of the input file across its slices."""
        return 2 if self.images else Grid(self.shape, np.diag([*self.spacing_mm, 1.0])).slice_axis

    @property
    def swi_made_here(self) -> bool:
        """Whether the SWI was made from magnitude and phase, not by the scanner."""
        return self.kind == "swi" and bool(self.files) and "swi" not in self.files


class OperatingPoint(Strict):
    """Scores that part candidates: from ``cut`` on they count, from ``definite_cut`` on they are definite."""

    name: str
    cut: Share
    definite_cut: Share


class CertaintyRule(Strict):
    """What makes a finding definite; one that misses any of these is possible (`docs/reading.md`)."""

    least_score: Share
    least_roundness: Share
    least_diameter_mm: float = Field(gt=0)
    largest_diameter_mm: float = Field(gt=0)


class RegionVolume(Strict):
    """Size of a fine region in this scan."""

    index: int = Field(ge=0, description="Value in `regions.nii.gz`.")
    name: str
    volume_ml: float = Field(ge=0)


class SegmentationRecord(Strict):
    """How far the automatic segmentation can be trusted, and the volumes that it gives."""

    located: bool = Field(description="False where the scan shows too little of the head to tell regions.")
    confident: bool = Field(description="False where the segmentation looks wrong: groups are uncertain then.")
    brain_ml: float = Field(ge=0, description="The search mask: parenchyma, ventricles and a thin rim of fluid.")
    regions: list[RegionVolume] = Field(description="Fine regions and fluid; empty if unknown.")

    @property
    def parenchyma_ml(self) -> float | None:
        """The brain without ventricles and other fluid; ``None`` where regions are unknown."""
        solid = [region.volume_ml for region in self.regions if region.index not in (CSF, VENTRICLE)]
        return round(sum(solid), 1) if self.regions else None


class ModelRecord(Strict):
    """The weights that found the candidates."""

    name: str
    sha256: str
    training: str = Field(description="One sentence on where the weights come from.")
    scores: dict[str, float] = Field(description="Measures on data that the training did not see.")
    operating_point: OperatingPoint


class Finding(Strict):
    """One candidate, counted or removed."""

    id: int = Field(ge=1)
    position_ras_mm: Triple
    position_lps_mm: Triple
    position_ijk: tuple[int, int, int] = Field(description="Voxel of the input file; counts from 0.")
    score: Share
    score_spread: Share | None = Field(
        default=None,
        description="Largest minus smallest score when the image is flipped or shifted; null where not measured.",
    )
    score_note: str | None = Field(default=None, description="Said where the spread is large.")
    certainty: Certainty = Field(
        description="Definite if it meets all of `rule`, else possible; where a reader decided, what the reader "
        "said. Of findings that don't count it is the program's and enters no number: filter by `kept` first."
    )
    certainty_reason: str | None = Field(
        default=None, description="Why it is definite or possible; null where a reader rejected it."
    )
    diameter_mm: float | None = Field(description="Apparent diameter (full width at half depth).", gt=0)
    roundness: Share | None = Field(
        default=None, description="Smallest over largest extent of the dark spot; null where not measured."
    )
    group: Group
    region: str | None = Field(description="Fine region; null where the location is unknown.")
    row: str | None = Field(description="Row of the scale that the region belongs to.")
    bombs_group: Group | None = Field(default=None, description="Its group by BOMBS; null where nothing says.")
    bombs_row: str | None = Field(default=None, description="Its row on BOMBS.")
    kim_group: Group | None = Field(default=None, description="Its group by Kim (arXiv 2306.13020).")
    side: Side
    margin_mm: float | None = Field(
        description="Distance to the next group; brainstem and cerebellum count as two. "
        f"{MARGIN_LIMIT_MM:g} means that none lies nearer: the search ends there."
    )
    parenchyma_share: Share | None = Field(default=None, description="Of the ball around it that tells its place.")
    place_confidence: PlaceConfidence | None = Field(
        default=None,
        description="border: another group is near (margin_mm); uncertain: the segmentation looks wrong; unknown: "
        "no group; reader: a reader confirmed or gave the place; null where nothing says.",
    )
    mineralisation_note: str | None = Field(
        default=None, description="Said near the pallidum and the dentate nucleus, where iron gathers with age."
    )
    kept: bool
    removed_by: RemovedBy | None
    reason: str | None = Field(description="Why it was removed; null when kept.")


class ScaleRow(Strict):
    """One row of the rating form: findings that count, by certainty and side."""

    group: Group
    row: str
    definite_right: Count = 0
    definite_left: Count = 0
    possible_right: Count = 0
    possible_left: Count = 0

    @property
    def total(self) -> int:
        """Definite and possible of both sides."""
        return self.definite_right + self.definite_left + self.possible_right + self.possible_left


class BombsRow(Strict):
    """One row of the BOMBS form: findings that count, by certainty, side and size."""

    group: Group
    row: str
    certain_right_below_5mm: Count = 0
    certain_right_5_to_10mm: Count = 0
    certain_left_below_5mm: Count = 0
    certain_left_5_to_10mm: Count = 0
    uncertain_right_below_5mm: Count = 0
    uncertain_right_5_to_10mm: Count = 0
    uncertain_left_below_5mm: Count = 0
    uncertain_left_5_to_10mm: Count = 0
    without_size: Count = Field(default=0, description="Diameter not measurable or above 10 mm.")
    total: Count = 0


class ScaleCounts(Strict):
    """Numbers of findings that count, by the groups and rows of one scale."""

    name: str
    source: str
    lobar: Count
    deep: Count
    infratentorial: Count
    unplaced: Count
    rows: dict[str, int]


class Counts(Strict):
    """Numbers of findings that count."""

    total: Count
    lobar: Count
    deep: Count
    infratentorial: Count
    unplaced: Count = Field(description="Counted, but of no known group.")
    definite: Count
    possible: Count
    regions: dict[str, int] = Field(description="Row of the scale to its number, all rows.")
    burden_class: Literal["0", "1", "2-4", "5-9", ">=10"]
    strictly_lobar: bool | None = Field(
        description="At least one lobar and none deep or in the brainstem; the cerebellum counts as neither "
        "(Boston criteria v2.0). Null where the answer hangs on a finding of unknown place or near another group, "
        "where the segmentation looks wrong, unless a reader gave the places, and where the scan shows too little "
        "of the head to tell regions."
    )
    groups_uncertain: bool = Field(
        default=False, description="The segmentation looks wrong: lobar, deep and infratentorial are uncertain."
    )


class Record(Strict):
    """Everything that `findings.json` says about one scan."""

    schema_version: Literal["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"] = SCHEMA_VERSION
    program_version: str
    disclaimer: str = DISCLAIMER
    scan: ScanRecord
    model: ModelRecord
    scale: str = Field(default="MARS", description="Name of the grouping.")
    counts: Counts
    form: list[ScaleRow] = Field(description="The scale's form, by certainty and side.")
    scales: list[ScaleCounts] = Field(default_factory=list, description="The same findings by each scale.")
    bombs: list[BombsRow] = Field(default_factory=list, description="The form of BOMBS.")
    rule: CertaintyRule | None = Field(default=None, description="What made findings definite.")
    segmentation: SegmentationRecord | None = None
    findings: list[Finding]
    warnings: list[str]

    @property
    def kept(self) -> list[Finding]:
        """Findings that count."""
        return [finding for finding in self.findings if finding.kept]

    @property
    def places_doubtful(self) -> bool:
        """Whether the segmentation looks wrong, so that no group is trusted, however many findings count."""
        found = self.segmentation
        return found is not None and found.located and not found.confident

    @property
    def regions_unknown(self) -> bool:
        """Whether the scan shows too little of the head to tell regions."""
        return self.segmentation is not None and not self.segmentation.located

    @property
    def places_unknown(self) -> bool:
        """Whether regions are unknown and no reader has placed a finding, so that nothing can be said by place."""
        return self.regions_unknown and all(finding.group == "none" for finding in self.kept)

    def without_places(self) -> Record:
        """Return the record, which says nothing by place where places are unknown: of no finding neither."""
        if not self.places_unknown:
            return self
        return self.model_copy(update={"counts": self.counts.model_copy(update={"strictly_lobar": None})})


def writable(text: str) -> str:
    """Return a text with a question mark for what UTF-8 can't hold: bytes of a file's name in an old encoding."""
    return text.encode("utf-8", "replace").decode("utf-8")


def refuse_unwritable_names(*paths: Path) -> None:
    """Refuse paths that no record can hold; found when the record is written, it would cost a whole search.

    Raises:
        InputError: if one is.
    """
    for path in map(str, paths):
        if writable(path) != path:
            raise InputError(
                f"The path {writable(path)} has characters that are not UTF-8 (?); rename the folder or the file."
            )


def write_record(record: Record, path: Path) -> None:
    """Write `findings.json`."""
    Path(path).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_record(path: Path) -> Record:
    """Read `findings.json`.

    Raises:
        InputError: if the file can't be read or doesn't follow the schema.
    """
    try:
        return Record.model_validate_json(path_of(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The findings {path} can't be read; check the path.") from error
    except ValidationError as error:
        raise InputError(
            f"The findings {path} don't follow schema {SCHEMA_VERSION} ({first_fault(error)}); give a file as this"
            " program wrote it, or search the scan again."
        ) from error


def schema_json() -> str:
    """Return the JSON Schema of `findings.json` as text; `docs/findings.schema.json` holds the same."""
    return json.dumps(Record.model_json_schema(), indent=2) + "\n"
