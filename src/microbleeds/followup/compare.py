"""Two visits become a comparison, and a comparison becomes files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microbleeds import __version__
from microbleeds.followup.counting import counted
from microbleeds.followup.differences import differences, why_not_alike
from microbleeds.followup.drawn import draw
from microbleeds.followup.files import write_files
from microbleeds.followup.interval import interval_days, wrong_order
from microbleeds.followup.matching import Lesion, VisitFindings, match_findings
from microbleeds.followup.record import (
    DISCLAIMER,
    Comparison,
    LesionRecord,
    RegistrationRecord,
    RuleRecord,
    Sighting,
    VisitRecord,
    disclaimer_for,
)
from microbleeds.followup.registration import Registration, register, views_of
from microbleeds.followup.rigid import applied, inverse, rotation_deg
from microbleeds.followup.rule import STATES, Rule
from microbleeds.followup.visit import Visit
from microbleeds.report.record import DISCLAIMER as FROM_SIMULATED
from microbleeds.report.record import Finding


def compare_visits(
    baseline: Visit, followup: Visit, rule: Rule | None = None, registration: Registration | None = None
) -> Comparison:
    """Align two visits and say what became of every finding.

    Args:
        baseline: the earlier visit.
        followup: the later visit.
        rule: thresholds; those chosen on validation heads if ``None``.
        registration: where it is known already; found here if ``None``.
    """
    rule, not_compared = _rule_for(baseline, followup, rule or Rule())
    if registration is None:
        views = views_of((baseline.scan, baseline.segmentation), (followup.scan, followup.segmentation))
        registration = register(*views)
    spacings = [visit.scan.grid.spacing_mm for visit in (baseline, followup)]
    tolerance_mm = rule.tolerance_mm(registration.error_mm, spacings)
    comparison = Comparison(
        program_version=__version__,
        baseline=_visit_record(baseline),
        followup=_visit_record(followup),
        interval_days=interval_days(baseline.scan.day, followup.scan.day),
        registration=_registration_record(registration),
        rule=RuleRecord(
            low_cut=rule.low_cut,
            sure_cut=rule.sure_cut,
            tolerance_mm=round(tolerance_mm, 2),
            new_cut=rule.new_cut,
            dark_share=rule.dark_share,
            least_darkness=rule.least_darkness,
            why_no_new_cut=not_compared,
        ),
        counts=None,
        aria_h=None,
        lesions=[],
        warnings=_warnings(baseline, followup, registration),
        disclaimer=_disclaimer(baseline, followup),
    )
    if registration.failure is not None:
        return comparison
    map_, reach_mm = registration.followup_from_baseline, rule.dark_reach_mm(registration.error_mm)
    lesions = match_findings(*_found(baseline, followup), map_, rule, tolerance_mm, reach_mm)
    return counted(comparison, lesion_records(lesions, map_))


def write_comparison(comparison: Comparison, baseline: Visit, followup: Visit, folder: Path) -> None:
    """Write `comparison.json`, `comparison.tsv` and `comparison.html` into a folder."""
    write_files(comparison, draw(comparison, baseline, followup), Path(folder))


def _rule_for(baseline: Visit, followup: Visit, rule: Rule) -> tuple[Rule, str | None]:
    """Return the rule for two visits and, where its new cut must not be used, why."""
    if baseline.signed and followup.signed:
        rule = replace(rule, dark_share=None)  # readers looked at both scans; their eyes decide, not a measure
    if followup.signed:
        rule = replace(rule, sure_cut=None)  # what the reader did not count is not new, whatever its score
    if rule.new_cut is None:
        return rule, None
    why = why_not_alike(baseline.record, followup.record)
    if why is None and followup.signed:
        why = "a reader decided what counts at follow-up"
    return (rule if why is None else replace(rule, new_cut=None)), why


def _found(baseline: Visit, followup: Visit) -> tuple[VisitFindings, VisitFindings]:
    """Return what is matched of two visits."""
    one, other = (
        VisitFindings(visit.record.findings, visit.scan.grid, visit.segmentation.brain, visit.scan.swi)
        for visit in (baseline, followup)
    )
    return one, other


def lesion_records(lesions: Sequence[Lesion], followup_from_baseline: NDArray[np.float64]) -> list[LesionRecord]:
    """Order lesions by state, number and describe them."""
    ordered = sorted(lesions, key=lambda lesion: STATES.index(lesion.state))
    return [
        _lesion_record(number, lesion, followup_from_baseline) for number, lesion in enumerate(ordered, start=1)
    ]


def _lesion_record(number: int, lesion: Lesion, map_: NDArray[np.float64]) -> LesionRecord:
    """Fill in one lesion; its place is named by the baseline where it counts there."""
    named = lesion.baseline if lesion.baseline is not None and lesion.baseline.kept else lesion.followup
    if named is None:
        raise ValueError("A lesion needs a finding that counts at one visit.")
    before, after = (None, None) if lesion.darkness is None else lesion.darkness
    return LesionRecord(
        id=number,
        state=lesion.state,
        group=named.group,
        region=named.region,
        side=named.side,
        baseline=_sighting(lesion.baseline, lesion.followup, inverse(map_), before),
        followup=_sighting(lesion.followup, lesion.baseline, map_, after, new=lesion.state == "new"),
        distance_mm=None if lesion.distance_mm is None else round(lesion.distance_mm, 2),
        note=lesion.note,
        found_by_comparing=lesion.found_by_comparing,
    )


def _sighting(
    here: Finding | None,
    there: Finding | None,
    here_from_there: NDArray[np.float64],
    darkness: float | None,
    *,
    new: bool = False,
) -> Sighting:
    """Describe a place at one visit; without a candidate it is where the other visit's finding comes to lie."""
    dark = None if darkness is None else round(darkness, 2)
    if here is not None:
        return Sighting(
            finding_id=here.id,
            counted=here.kept,
            removed_by=here.removed_by,
            score=here.score,
            diameter_mm=here.diameter_mm,
            position_ras_mm=here.position_ras_mm,
            darkness=dark,
            certainty=here.certainty if here.kept or new else None,
            score_spread=here.score_spread,
            score_note=here.score_note,
            place_confidence=here.place_confidence,
        )
    if there is None:
        raise ValueError("A lesion needs a finding at one visit.")
    x, y, z = (round(float(v), 2) + 0.0 for v in applied(here_from_there, np.array(there.position_ras_mm)))
    return Sighting(
        finding_id=None,
        counted=False,
        removed_by=None,
        score=None,
        diameter_mm=None,
        position_ras_mm=(x, y, z),
        darkness=dark,
    )


def _disclaimer(baseline: Visit, followup: Visit) -> str:
    """Return what must be said of both visits, with what the weights learned from."""
    records = (baseline.record, followup.record)
    if all(record.disclaimer == FROM_SIMULATED for record in records):
        return DISCLAIMER
    training = " ".join(dict.fromkeys(record.model.training for record in records))
    return disclaimer_for(training)


def _visit_record(visit: Visit) -> VisitRecord:
    record = visit.record
    return VisitRecord(name=visit.name, scan=record.scan, model=record.model, counts=record.counts)


def _registration_record(registration: Registration) -> RegistrationRecord:
    rows = [tuple(round(float(value), 6) + 0.0 for value in row) for row in registration.followup_from_baseline]
    return RegistrationRecord(
        succeeded=registration.failure is None,
        failure=registration.failure,
        followup_from_baseline=(rows[0], rows[1], rows[2], rows[3]),  # type: ignore[arg-type]
        rotation_deg=round(rotation_deg(registration.followup_from_baseline), 2),
        error_mm=round(registration.error_mm, 2),
        common_share=round(registration.common_share, 3),
        likeness=round(registration.likeness, 3),
    )


def _warnings(baseline: Visit, followup: Visit, registration: Registration) -> list[str]:
    """Sentences for the reader: the alignment's failure, what differs, and what each result warned of."""
    said = [] if registration.failure is None else [f"{registration.failure} No finding was matched."]
    order = wrong_order(interval_days(baseline.scan.day, followup.scan.day))
    said += [] if order is None else [order]
    if np.array_equal(baseline.scan.swi, followup.scan.swi):
        said.append("Both visits are the same scan: their images are equal in every voxel. Give two visits.")
    said += differences(baseline.record, followup.record)
    if baseline.signed != followup.signed:
        read, other = ("baseline", "follow-up") if baseline.signed else ("follow-up", "baseline")
        said.append(f"A reader signed the {read}'s findings but not the {other}'s; read both before counting.")
    both = set(baseline.record.warnings) & set(followup.record.warnings)
    said += [warning for warning in baseline.record.warnings if warning in both]
    for title, visit in (("Baseline", baseline), ("Follow-up", followup)):
        own = [warning for warning in visit.record.warnings if warning not in both]
        said += [f"{title}: {warning}" for warning in (*own, *visit.warnings)]
    return list(dict.fromkeys(said))
