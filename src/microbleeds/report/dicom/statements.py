"""What the DICOM objects say in words, free of paths and of whatever could name the patient."""

from __future__ import annotations

from pathlib import Path

from microbleeds.report.dicom.reading import VERDICTS, Reading
from microbleeds.report.record import RESEARCH_USE, Record
from microbleeds.report.review.signed import READ_BY

NOT_REVIEWED = "Not reviewed: no reader has confirmed these findings."


def statements(record: Record, reading: Reading) -> list[str]:
    """Return the sentences of a report, most important first."""
    point = record.model.operating_point
    phase = "susceptibility-weighted image" if record.scan.kind == "swi" else "T2*-weighted magnitude"
    if record.scan.swi_made_here:
        phase = "susceptibility-weighted image made here from magnitude"
    return [
        notice(record),
        review_status(record, reading),
        f"Counts and regions follow the scale {record.scale} (Gregoire 2009), on an automatic segmentation."
        + (" The segmentation looks wrong: the groups are uncertain." if record.counts.groups_uncertain else ""),
        "The score is the detector's probability that a candidate is a microbleed, calibrated on the "
        f"validation scans of its weights; candidates count from {100 * point.cut:.3g} % ({point.name}).",
        definite_rule(record, reading),
        f"Searched: {phase}{' and phase' if record.scan.phase else ', without phase'}. "
        "Diameters are apparent: susceptibility enlarges them with echo time and field strength.",
        # Who has read it stands where DICOM keeps it; pages name nobody.
        *(f"Note: {sentence}" for sentence in without_paths(record) if not sentence.startswith(READ_BY)),
    ]


def notice(record: Record) -> str:
    """Return what is said wherever the result is shown; that it is research use, first of all."""
    return record.disclaimer if RESEARCH_USE in record.disclaimer else f"{RESEARCH_USE} {record.disclaimer}"


def definite_rule(record: Record, reading: Reading) -> str:
    """Return one sentence on what is called definite."""
    rule, unless = record.rule, ", unless the reader decided" if reading.reader else ""
    if rule is None:
        return f"Definite is what scores from {100 * record.model.operating_point.definite_cut:.3g} %{unless}."
    return (
        f"Definite is what scores from {100 * rule.least_score:.3g} %, with an apparent diameter of "
        f"{rule.least_diameter_mm:g} to {rule.largest_diameter_mm:g} mm and a roundness from "
        f"{rule.least_roundness:g}{unless}."
    )


def review_status(record: Record, reading: Reading) -> str:
    """Return one sentence on who has read the result."""
    if not reading.reader:
        return NOT_REVIEWED
    counted = {verdict: reading.number(verdict) for verdict in VERDICTS}
    said = ", ".join(f"{number} {verdict}" for verdict, number in counted.items())
    left = len(reading.open_in(record))
    rest = f"; {left} are listed without a verdict" if left else ""
    return f"Reviewed by a reader: {said}{rest}. Rejected findings are left out."


def without_paths(record: Record) -> list[str]:
    """Return the warnings with paths and names of files replaced: folders are often named after patients."""
    names: dict[str, str] = {}
    for role, text in record.scan.files.items():
        path = Path(text)
        names |= {part: f"the {role}" for part in (text, str(path.parent), path.name) if len(part) > 1}
    sentences = []
    for sentence in record.warnings:
        for name in sorted(names, key=len, reverse=True):
            sentence = sentence.replace(name, names[name])
        sentences.append(sentence)
    return sentences
