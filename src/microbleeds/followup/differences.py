"""What makes two scans hard to compare, in sentences: the sequence must be the same at both times.

SWI shows more than T2*-weighted GRE, 3 T more than 1.5 T, a long echo time more than a short one, and thin slices
more than thick ones, so a change of any makes old bleeds look new, or lets them vanish.
"""

from __future__ import annotations

from collections.abc import Iterator

from microbleeds.report.record import Record, ScanRecord

# 2.89 T and 3 T are one field strength; an echo time of 20 ms and 21 ms shows the same.
_FIELD_T, _ECHO_SHARE, _VOXEL_SHARE = 0.2, 0.1, 0.1
_KINDS = {"swi": "an SWI", "t2star": "a T2*-weighted magnitude"}


def differences(baseline: Record, followup: Record) -> list[str]:
    """Return a sentence for each difference that changes which microbleeds can be seen."""
    return [*_of_scans(baseline.scan, followup.scan), *_of_search(baseline, followup)]


def why_not_alike(baseline: Record, followup: Record) -> str | None:
    """Return why low scores of both searches can't be set against each other, ``None`` if they can.

    A false candidate scores alike at both visits only where the same weights saw the same kind of images. What low
    scores are worth was measured on scans with phase alone.
    """
    one, two = baseline.scan, followup.scan
    if baseline.model.sha256 != followup.model.sha256:
        return "the visits were searched with different weights"
    if one.kind != two.kind or ("swi" in one.files) != ("swi" in two.files):
        return "the images of both visits are not of the same kind"
    if (one.phase is None) != (two.phase is None):
        return "only one visit has phase"
    if one.phase is None:
        return "neither visit has phase, and without it this was not measured"
    if _calibrated_apart(baseline, followup):
        return "the calibration of the weights changed between the searches"
    return None


def _calibrated_apart(baseline: Record, followup: Record) -> bool:
    """Whether the same weights had another calibration: a point's threshold is one number for scans of a kind."""
    one, two = baseline.model.operating_point, followup.model.operating_point
    alike = (baseline.scan.phase is None) == (followup.scan.phase is None)
    return alike and one.name == two.name and one.cut != two.cut


def _of_scans(baseline: ScanRecord, followup: ScanRecord) -> Iterator[str]:
    if baseline.kind != followup.kind:
        one, two = _KINDS[baseline.kind], _KINDS[followup.kind]
        yield f"The baseline is {one} and the follow-up {two}; SWI shows more, so counts can't be compared."
    elif ("swi" in baseline.files) != ("swi" in followup.files):
        yield "The SWI of one visit was made here from magnitude and phase, that of the other by the scanner."
    yield from _of_sequence(baseline, followup)
    one, two = (" x ".join(f"{v:g}" for v in sorted(scan.spacing_mm)) for scan in (baseline, followup))
    sizes = zip(sorted(baseline.spacing_mm), sorted(followup.spacing_mm), strict=True)
    if any(abs(b / a - 1) > _VOXEL_SHARE for a, b in sizes):
        yield f"The voxel sizes differ (baseline {one} mm, follow-up {two} mm); smaller voxels show more."
    if (baseline.phase is None) != (followup.phase is None):
        lacking = "baseline" if baseline.phase is None else "follow-up"
        yield f"The {lacking} has no phase, so a calcification may count as a microbleed at that visit alone."


def _of_sequence(baseline: ScanRecord, followup: ScanRecord) -> Iterator[str]:
    a, b = baseline.sequence, followup.sequence
    if a.field_strength_t and b.field_strength_t and abs(a.field_strength_t - b.field_strength_t) > _FIELD_T:
        one, two = f"{a.field_strength_t:g}", f"{b.field_strength_t:g}"
        yield f"The field strengths differ (baseline {one} T, follow-up {two} T); the higher one shows more."
    if a.echo_time_ms and b.echo_time_ms and abs(b.echo_time_ms / a.echo_time_ms - 1) > _ECHO_SHARE:
        one, two = f"{a.echo_time_ms:g}", f"{b.echo_time_ms:g}"
        yield f"The echo times differ (baseline {one} ms, follow-up {two} ms); the longer one shows more."
    if a.manufacturer and b.manufacturer and a.manufacturer.lower() != b.manufacturer.lower():
        yield f"The scanners are of different makers (baseline {a.manufacturer}, follow-up {b.manufacturer})."
    facts = {"field strength": "field_strength_t", "echo time": "echo_time_ms"}
    unknown = [name for name, field in facts.items() if None in (getattr(a, field), getattr(b, field))]
    if unknown:
        yield f"Not stated for both visits, so not compared: {' and '.join(unknown)}."


def _of_search(baseline: Record, followup: Record) -> Iterator[str]:
    one, two = baseline.model, followup.model
    if one.sha256 != two.sha256:
        yield (
            f"The visits were searched with different weights ({one.name} and {two.name}); "
            "run `microbleeds detect` on both with the same."
        )
    elif one.operating_point.name != two.operating_point.name:
        yield (
            f"The visits were searched at different operating points ({one.operating_point.name} and "
            f"{two.operating_point.name}); run `microbleeds detect` on both at the same."
        )
    elif one.operating_point.cut != two.operating_point.cut:
        why = (
            "the calibration of the weights changed in between; run `microbleeds detect` on both again"
            if _calibrated_apart(baseline, followup)
            else "they are others without phase"
        )
        yield (
            f"The visits were searched at different thresholds (scores from {one.operating_point.cut:.2g} and "
            f"{two.operating_point.cut:.2g}): {why}."
        )
