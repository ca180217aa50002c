"""A word on findings where iron or calcium gathers with age: the pallidum and the dentate nucleus.

Mineralisation there is paramagnetic, as a bleed is, so no detector of iron tells them; a reader does, by place and
symmetry (iron and calcium of the basal ganglia are among the mimics of Greenberg 2009). On the simulated test
scans most of what counts in the lentiform nucleus is mineralisation (docs/reading.md).

The result names all that counts in the regions that hold these nuclei. A finding near one of them, by the affine
to MNI152, bears a note of its own. It changes no count.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microbleeds.report.record import Finding
from microbleeds.report.scale_tables import count

# Of 188 mineralised spots in scans of validation heads 176 lie as near as this, of 43 visible microbleeds of the
# same regions 8 (within 12 mm 157 and 5): the nuclei reach 8 mm, the affine misses by some, and the note asks only
# to look.
NEAR_MM = 14.0


@dataclass(frozen=True)
class _Nucleus:
    """A nucleus that mineralises with age.

    Args:
        name: with its article.
        region: fine region that holds it.
        place: that region, with its article.
        centre_mni_mm: middle of the right one in MNI152 (that of the template's label map), the left is mirrored.
        near: fine regions in which a finding near it may be placed.
    """

    name: str
    region: str
    place: str
    centre_mni_mm: tuple[float, float, float]
    near: frozenset[str]


_NUCLEI = (
    _Nucleus(
        "the pallidum",
        "lentiform",
        "the lentiform nucleus",
        (19.7, -4.3, -1.0),
        frozenset({"lentiform", "internal_capsule"}),
    ),
    _Nucleus(
        "the dentate nucleus", "cerebellum", "the cerebellum", (18.7, -58.2, -37.6), frozenset({"cerebellum"})
    ),
)


def mineralisation_warnings(
    findings: Sequence[Finding], places_doubtful: bool = False, judged: Collection[int] = ()
) -> list[str]:
    """Return sentences on what counts in such places, none where nothing does.

    Args:
        findings: all of a scan; those that don't count are passed over.
        places_doubtful: whether the segmentation is not trusted.
        judged: ids of those that a reader judged, who told them from mineralisation.
    """
    kept = [finding for finding in findings if finding.kept]
    said = []
    for nucleus in _NUCLEI:
        there = [finding for finding in kept if finding.region == nucleus.region and finding.id not in judged]
        if there:
            meaning = _MEANING.format(nucleus=nucleus.name)
            said.append(f"{_named(there)} in {nucleus.place}. {meaning}{_both_sides(there)}")
    rest = [finding for finding in kept if finding.region != "lentiform" or finding.id in judged]
    if len(rest) < len(kept) and _turns_lobar(kept, rest, places_doubtful):
        said.append("Without what lies in the lentiform nucleus the findings would be strictly lobar.")
    return said


def with_notes(findings: Sequence[Finding], mni_from_ras: NDArray[np.float64]) -> list[Finding]:
    """Return the findings, in the same order, with a note on those that lie near such a nucleus.

    Args:
        findings: all of a scan.
        mni_from_ras: [4, 4] affine from the scan's RAS mm to MNI152 mm.
    """
    near = {finding.id: _nucleus_near(finding, mni_from_ras) for finding in findings}
    return [
        finding.model_copy(update={"mineralisation_note": _note(finding, nucleus, findings, near)})
        if (nucleus := near[finding.id])
        else finding
        for finding in findings
    ]


def _nucleus_near(finding: Finding, mni_from_ras: NDArray[np.float64]) -> _Nucleus | None:
    """Return the nucleus that a finding lies near."""
    x, y, z = mni_from_ras[:3, :3] @ np.array(finding.position_ras_mm) + mni_from_ras[:3, 3]
    for nucleus in _NUCLEI:
        away_mm = float(np.linalg.norm(np.subtract((abs(x), y, z), nucleus.centre_mni_mm)))
        if finding.region in nucleus.near and away_mm <= NEAR_MM:
            return nucleus
    return None


def _note(
    finding: Finding, nucleus: _Nucleus, findings: Sequence[Finding], near: dict[int, _Nucleus | None]
) -> str:
    """Return the note on a finding near a nucleus, and which ones lie near that of the other side."""
    opposite = {"left": "right", "right": "left"}.get(finding.side)
    others = [one.id for one in findings if one.kept and one.side == opposite and near[one.id] is nucleus]
    said = f"Near {nucleus.name}, whose mineralisation looks the same"
    if not others:
        return f"{said}."
    named = f"finding {others[0]} lies" if len(others) == 1 else f"findings {', '.join(map(str, others))} lie"
    return f"{said}; {named} near that of the other side, as is usual with it."


_MEANING = "Mineralisation of {nucleus}, usual with age, looks the same to the detector: a reader must tell."


def _named(findings: Sequence[Finding]) -> str:
    """Return which findings lie there."""
    ids = ", ".join(f"{finding.id} ({finding.side})" for finding in findings)
    return f"Finding {ids} lies" if len(findings) == 1 else f"Findings {ids} lie"


def _both_sides(findings: Sequence[Finding]) -> str:
    """Return what speaks for it."""
    return (
        " Both sides are affected, as is usual with it." if {f.side for f in findings} >= {"left", "right"} else ""
    )


def _turns_lobar(kept: Sequence[Finding], rest: Sequence[Finding], places_doubtful: bool) -> bool:
    """Whether the pattern is strictly lobar without some findings and isn't with them."""
    with_them, without = count(kept, places_doubtful), count(rest, places_doubtful)
    return with_them.strictly_lobar is not True and without.strictly_lobar is True
