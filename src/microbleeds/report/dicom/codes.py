"""Coded concepts: what a microbleed, a region, a side, a verdict is called in DICOM.

Public codes (SNOMED CT as ``SCT``, ``DCM``, ``UCUM``, ``LN``) are used where one exists with the same meaning;
what has none is coded in the private scheme :data:`SCHEME`, listed in `docs/dicom.md`.

Conventions:
    * Cortex and white matter of a lobe are the lobe's code with a topographical modifier, since SNOMED CT's
      subset in DICOM has no code for, say, the white matter of the frontal lobe.
    * ``Silent micro-haemorrhage of brain`` (723857007) is SNOMED CT's name for a microbleed seen on imaging; the
      detector doesn't know whether it was silent.
"""

from __future__ import annotations

from dataclasses import dataclass

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept

from microbleeds.regions import REGIONS

SCHEME = "99MICROBLEEDS"


def private(value: str, meaning: str) -> CodedConcept:
    """Return a concept of the private scheme."""
    return CodedConcept(value, SCHEME, meaning)


def scheme_identification() -> CodingSchemeIdentificationItem:
    """Return the entry that tells a reader what the private scheme is."""
    return CodingSchemeIdentificationItem(
        designator=SCHEME,
        name="Codes of the microbleeds program",
        version="1",
        responsible_organization="The microbleeds developers",
    )


MICROBLEED = CodedConcept("723857007", "SCT", "Silent micro-hemorrhage of brain")
ABNORMAL = CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure")
ANATOMY = CodedConcept("91723000", "SCT", "Anatomical Structure")
MR = CodedConcept("MR", "DCM", "Magnetic Resonance")
SOURCE = CodedConcept("260753009", "SCT", "Source")
SOURCE_OF_PROCESSING = CodedConcept("121322", "DCM", "Source image for image processing operation")
BRAIN_MRI = CodedConcept("24590-2", "LN", "MR Brain")

NUMBER = CodedConcept("246206008", "SCT", "Number of lesions")
DIAMETER = CodedConcept("81827009", "SCT", "Diameter")
CERTAINTY_OF_FINDING = CodedConcept("111012", "DCM", "Certainty of Finding")
COMMENT = CodedConcept("121106", "DCM", "Comment")
QUALITATIVE = CodedConcept("C0034375", "UMLS", "Qualitative Evaluations")
NO_UNITS = CodedConcept("1", "UCUM", "no units")
MILLIMETRE = CodedConcept("mm", "UCUM", "millimeter")
PERCENT = CodedConcept("%", "UCUM", "Percent")
YES = CodedConcept("373066001", "SCT", "Yes")
NO = CodedConcept("373067005", "SCT", "No")

MARS_SCALE = private("mars", "Microbleed Anatomical Rating Scale (MARS)")
FULL_WIDTH = private("full-width-half-depth", "Full width at half depth on the image")
CALIBRATED = private("calibrated-score", "Detector's calibrated score")

GROUP = private("mars-group", "MARS group")
GROUPS = {
    "lobar": private("lobar", "Lobar"),
    "deep": private("deep", "Deep"),
    "infratentorial": private("infratentorial", "Infratentorial"),
    "none": private("unplaced", "Place unknown"),
}
ROW = private("mars-row", "MARS region")
CERTAINTY = private("mars-certainty", "MARS certainty")
CERTAINTIES = {
    "definite": private("definite", "Definite"),
    "possible": private("possible", "Possible"),
}
COUNTS = {
    "lobar": private("number-lobar", "Number of lobar microbleeds"),
    "deep": private("number-deep", "Number of deep microbleeds"),
    "infratentorial": private("number-infratentorial", "Number of infratentorial microbleeds"),
    "unplaced": private("number-unplaced", "Number of microbleeds of unknown place"),
    "definite": private("number-definite", "Number of definite microbleeds"),
    "possible": private("number-possible", "Number of possible microbleeds"),
}
PLACE = private("place-confidence", "Confidence of the place")
PLACES = {
    "sure": private("place-sure", "Clear of borders"),
    "border": private("place-border", "Near another group"),
    "uncertain": private("place-uncertain", "Uncertain: the segmentation looks wrong"),
    "unknown": private("place-unknown", "Unknown"),
    "reader": private("place-reader", "Placed by the reader"),
}
STRICTLY_LOBAR = private("strictly-lobar", "Strictly lobar (Boston criteria v2.0)")

READER_VERDICT = private("reader-verdict", "Verdict of the reader")
NOT_REVIEWED = private("not-reviewed", "Not reviewed")
#: Of the counts as a whole, among whose findings verdicts differ.
REVIEWED = private("reviewed", "Reviewed")
READER_VERDICTS = {
    "accepted": private("accepted", "Accepted"),
    "rejected": private("rejected", "Rejected"),
    "added": private("added", "Added by the reader"),
    "uncertain": CodedConcept("64957009", "SCT", "Uncertain"),
}

_SIDES = {
    "left": CodedConcept("7771000", "SCT", "Left"),
    "right": CodedConcept("24028007", "SCT", "Right"),
}
_CORTEX = CodedConcept("40146001", "SCT", "Cerebral cortex")
_WHITE = CodedConcept("68523003", "SCT", "Cerebral White Matter")
_BRAIN = CodedConcept("12738006", "SCT", "Brain")
_STRUCTURES = {
    "frontal": CodedConcept("83251001", "SCT", "Frontal lobe"),
    "parietal": CodedConcept("16630005", "SCT", "Parietal lobe"),
    "temporal": CodedConcept("78277001", "SCT", "Temporal lobe"),
    "occipital": CodedConcept("31065004", "SCT", "Occipital lobe"),
    "insula": CodedConcept("36169008", "SCT", "Insula"),
    "hippocampus": CodedConcept("5366008", "SCT", "Hippocampus"),
    "caudate": CodedConcept("11000004", "SCT", "Caudate nucleus"),
    "lentiform": private("lentiform-nucleus", "Lentiform nucleus"),
    "thalamus": CodedConcept("42695009", "SCT", "Thalamus"),
    "internal_capsule": CodedConcept("85637007", "SCT", "Internal capsule"),
    "external_capsule": CodedConcept("10517005", "SCT", "External capsule"),
    "corpus_callosum": CodedConcept("88442005", "SCT", "Corpus callosum"),
    "periventricular": _WHITE,
    "brainstem": CodedConcept("119238007", "SCT", "Brain stem"),
    "cerebellum": CodedConcept("113305005", "SCT", "Cerebellum"),
}
_PERIVENTRICULAR = private("periventricular", "Deep and periventricular")


@dataclass(frozen=True)
class Site:
    """Where something lies, in codes.

    Args:
        structure: the anatomical structure.
        modifier: the part of it; ``None`` for the whole.
        side: left or right; ``None`` if it has none.
    """

    structure: CodedConcept
    modifier: CodedConcept | None = None
    side: CodedConcept | None = None


def site_of(region: str | None, side: str) -> Site:
    """Return the codes of a fine region; of the brain where the region is unknown.

    Raises:
        KeyError: if there is no such region.
    """
    laterality = _SIDES.get(side)
    if region is None:
        return Site(_BRAIN, None, laterality)
    if region == "periventricular_white":
        return Site(_WHITE, _PERIVENTRICULAR, laterality)
    stem, _, tissue = region.rpartition("_")
    if tissue in ("cortex", "white") and stem in _STRUCTURES:
        return Site(_STRUCTURES[stem], _CORTEX if tissue == "cortex" else _WHITE, laterality)
    return Site(_STRUCTURES[region], None, laterality)


def counting_regions() -> tuple[int, ...]:
    """Return the codes of the fine regions in which a microbleed counts, ascending."""
    return tuple(sorted(code for code, region in REGIONS.items() if region.group != "none"))


def anatomic_region(site: Site) -> CodedConcept:
    """Return a site as an item of an Anatomic Region Sequence, side and part as its modifiers."""
    item = CodedConcept(site.structure.value, site.structure.scheme_designator, site.structure.meaning)
    modifiers = [code for code in (site.modifier, site.side) if code is not None]
    if modifiers:
        item.AnatomicRegionModifierSequence = modifiers
    return item
