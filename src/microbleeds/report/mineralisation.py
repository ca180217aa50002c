"""A word on findings where iron or calcium gathers with age: the pallidum and the dentate nucleus.

Mineralisation there is paramagnetic, as a bleed is, so no detector of iron tells them; a reader does, by place and
symmetry (iron and calcium of the basal ganglia are among the mimics of Greenberg 2009). On the simulated test
scans most of what counts in the lentiform nucleus is mineralisation (docs/reading.md).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from microbleeds.report.record import Finding
from microbleeds.report.scale_tables import count

_PLACES = {
    "lentiform": ("the lentiform nucleus", "the pallidum"),
    "cerebellum": ("the cerebellum", "the dentate nucleus"),
}


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
    for region, (place, nucleus) in _PLACES.items():
        there = [finding for finding in kept if finding.region == region and finding.id not in judged]
        if there:
            said.append(f"{_named(there)} in {place}. {_MEANING.format(nucleus=nucleus)}{_both_sides(there)}")
    rest = [finding for finding in kept if finding.region != "lentiform" or finding.id in judged]
    if len(rest) < len(kept) and _turns_lobar(kept, rest, places_doubtful):
        said.append("Without what lies in the lentiform nucleus the findings would be strictly lobar.")
    return said


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
