"""Sentences for the reader, made from the record."""

from __future__ import annotations

from microbleeds.regions import MARGIN_LIMIT_MM
from microbleeds.report.record import Finding, Record, ScanRecord

UNREAD = "No reader has confirmed these findings."
_NAMES = {"caudate": "caudate nucleus", "lentiform": "lentiform nucleus"}


def describe_place(finding: Finding) -> str:
    """Return where a finding lies.

    Example:
        ``left frontal white matter``, or ``place unknown``.
    """
    name = describe_region(finding)
    return name if finding.side == "none" else f"{finding.side} {name}"


def describe_region(finding: Finding) -> str:
    """Return the fine region in words, without its side."""
    if finding.region is None:
        return "place unknown"
    name = _NAMES.get(finding.region, finding.region)
    return name.replace("insula_", "insular_").replace("_white", "_white_matter").replace("_", " ")


def describe_slice(finding: Finding, scan: ScanRecord) -> str:
    """Return the slice of the input file that holds a finding, counted from 1 as viewers do.

    Example:
        ``19 of 48``.
    """
    axis = scan.slice_axis
    return f"{finding.position_ijk[axis] + 1} of {scan.shape[axis]}"


def describe_source(finding: Finding, scan: ScanRecord) -> str:
    """Return the DICOM image that shows a finding; empty where the scan was none.

    Example:
        ``series 8, image 19``.
    """
    images = scan.images
    if images is None or len(images.numbers) != scan.shape[2]:
        return ""
    return name_image(images.series, images.numbers[finding.position_ijk[2]], frame=images.frames)


def name_image(series: int, number: int, *, frame: bool) -> str:
    """Return what an archive calls an image, or a frame of one."""
    return f"series {series}, {'frame' if frame else 'image'} {number}"


def describe_row(row: str) -> str:
    """Return a row of the form with a capital letter."""
    return row[:1].upper() + row[1:]


def describe_trust(finding: Finding) -> str:
    """Return a clause on how far a finding's group can be trusted; empty where there is nothing to say.

    Example:
        ``border: 1.4 mm from another group``, or ``uncertain: the segmentation looks wrong``.
    """
    if finding.place_confidence == "border" and finding.margin_mm is not None:
        # Brainstem and cerebellum are one group, but not for what is strictly lobar.
        other = "another group" + (", brainstem or cerebellum" if finding.group == "infratentorial" else "")
        return f"border: {finding.margin_mm:.1f} mm from {other}"
    if finding.place_confidence == "uncertain":
        return "uncertain: the segmentation looks wrong"
    if finding.place_confidence == "reader":
        return "placed by the reader"
    return ""


def describe_margin(finding: Finding) -> str:
    """Return the distance to the next group, or that it is as large as is looked for; empty without one.

    Example:
        ``1.4 mm``, or ``12 mm or more``.
    """
    if finding.margin_mm is None:
        return ""
    capped = finding.margin_mm >= MARGIN_LIMIT_MM
    return f"{MARGIN_LIMIT_MM:g} mm or more" if capped else f"{finding.margin_mm:.1f} mm"


def describe_image(scan: ScanRecord) -> str:
    """Return what was searched, for a table."""
    if scan.swi_made_here:
        return "SWI made here from magnitude and phase"
    return "Susceptibility-weighted (SWI)" if scan.kind == "swi" else "T2*-weighted magnitude (weaker than SWI)"


def methods(record: Record, reading: str = UNREAD) -> str:
    """Return a paragraph that a report or a paper can quote; ``reading`` says who confirmed the findings."""
    scan, model, point = record.scan, record.model, record.model.operating_point
    image = "susceptibility-weighted image" if scan.kind == "swi" else "T2*-weighted gradient-echo magnitude"
    phase = "with its phase" if scan.phase else "without phase"
    if scan.swi_made_here:
        image, phase = "susceptibility-weighted image made here", "from magnitude and phase"
    size = " x ".join(f"{value:g}" for value in scan.spacing_mm)
    return (
        f"Cerebral microbleeds were searched on a {image} {phase} (voxels {size} mm) "
        f"with microbleeds {record.program_version}, weights {model.name} (sha256 {model.sha256[:12]}), "
        f"at the operating point '{point.name}' (score from {point.cut:.2f}). "
        "The network follows Kim et al. (arXiv 2306.13020): a 3D region proposal network to stride 4 "
        f"on SWI and phase. {_sentence(model.training)} "
        "Candidates with hardly any parenchyma around them were removed. "
        f"Regions follow {record.scale} (Gregoire 2009) from an automatic segmentation. "
        f"{_definite(record, reading)} {reading}"
    )


def _definite(record: Record, reading: str) -> str:
    """Return the sentence on what is called definite."""
    rule, unless = record.rule, "" if reading == UNREAD else ", unless the reader decided"
    if rule is None:
        cut = record.model.operating_point.definite_cut
        return f"A finding is called definite from a score of {cut:.2f}{unless}."
    return (
        f"A finding is called definite if its score is at least {rule.least_score:.2f}, its apparent diameter "
        f"{rule.least_diameter_mm:g} to {rule.largest_diameter_mm:g} mm and its roundness at least "
        f"{rule.least_roundness:g}, else possible{unless}."
    )


def _sentence(text: str) -> str:
    """End a text with a full stop."""
    text = text.strip()
    return text if text.endswith(".") else f"{text}."
