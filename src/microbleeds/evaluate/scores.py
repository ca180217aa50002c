"""All scores of a cohort, fixed in advance (`docs/scoring.md`), ready for JSON.

Two thresholds matter: the *curve* takes every candidate that its place has not ruled out, whatever its score;
the *operating point* takes the candidates that the program kept, or those above a threshold that the caller
gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from microbleeds.errors import InputError
from microbleeds.evaluate.calibration import calibration
from microbleeds.evaluate.cases import Case
from microbleeds.evaluate.froc import REPORTED_FALSE_POSITIVES, SubjectResult, froc, result_of
from microbleeds.evaluate.intervals import Interval, bootstrap, finite, of_mean, of_rate, of_share
from microbleeds.evaluate.matching import HIT_RADIUS_MM, STRICT_RADIUS_MM, Match, match
from microbleeds.evaluate.patient import BURDEN_CLASSES, burden_agreement, is_strictly_lobar
from microbleeds.evaluate.placement import Place, PlacedPair, PlacementScores, placement_scores
from microbleeds.evaluate.removal import RemovalScores, removal_scores
from microbleeds.evaluate.strata import CONTRAST_EDGES, DIAMETER_EDGES_MM, Stratum, by_label, by_value

OTHER = "other"


@dataclass(frozen=True)
class OperatingScores:
    """Scores of what the program kept, each with its interval; counts are of the cohort as it is."""

    hits: int
    false_positives: int
    missed: int
    sensitivity: Interval
    precision: Interval
    f1: Interval
    false_positives_per_subject: Interval
    false_positives_per_negative_subject: Interval


@dataclass(frozen=True)
class RadiusScores:
    """All that depends on how near a hit must lie."""

    radius_mm: float
    operating: OperatingScores
    sensitivity_at: dict[str, Interval]
    mean_sensitivity: Interval
    curve: dict[str, list[float | None]]


@dataclass(frozen=True)
class PatientScores:
    """Burden classes and 'strictly lobar'; each ``confusion`` has the truth in rows.

    That of 'strictly lobar' has the rows no and yes and the columns no, yes and unknown.
    """

    burden_classes: tuple[str, ...]
    burden_confusion: list[list[int]]
    burden_accuracy: float | None
    burden_weighted_kappa: float | None
    strictly_lobar_confusion: list[list[int]] | None


@dataclass(frozen=True)
class Scores:
    """The result of :func:`evaluate_cohort`; all below ``radii`` is at the first radius.

    A subject may have several scans (visits). Intervals draw subjects, or simulated heads where several subjects
    share one; false positives "per subject", those without microbleeds, burden and 'strictly lobar' are of scans,
    which is the same where each subject has one.
    ``placement`` says where the hits were placed (``None`` where truth or findings say no group).
    ``false_positive_kinds`` and ``ignored_kinds`` count what the program kept: on a known mimic or elsewhere,
    and on spots where it counts neither way.
    """

    subjects: int
    scans: int
    negative_subjects: int
    microbleeds: int
    ignored_microbleeds: int
    operating_point: str
    radii: tuple[RadiusScores, ...]
    strata: dict[str, list[Stratum]]
    right_group: Interval
    placement: PlacementScores | None
    removed_by_place: RemovalScores
    calibration_error: float | None
    calibration_bins: list[dict[str, float | int | None]]
    patients: PatientScores
    false_positive_kinds: dict[str, int]
    ignored_kinds: dict[str, int]
    seed: int
    bootstrap_repeats: int

    def to_dict(self) -> dict:
        """Return plain lists, dicts, numbers and text, ready for :func:`json.dumps`."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class _Scored:
    """One case matched at one radius: the whole curve, and the operating point.

    ``chosen`` [C] are the candidates at the operating point, ``kept`` their match, and ``counts`` its hits, false
    positives and missed.
    """

    case: Case
    curve: SubjectResult
    chosen: NDArray[np.int64]
    kept: Match
    counts: tuple[int, int, int]


def evaluate_cohort(
    cases: Sequence[Case],
    *,
    threshold: float | None = None,
    radii_mm: Sequence[float] = (HIT_RADIUS_MM, STRICT_RADIUS_MM),
    repeats: int = 2000,
    seed: int = 0,
) -> Scores:
    """Score a cohort.

    Args:
        cases: predictions and truth of each scan; those without microbleeds count.
        threshold: operating point; ``None`` takes what each program kept.
        radii_mm: a hit lies within it; strata, calibration and patients use the first.
        repeats: bootstrap draws over subjects.
        seed: of the bootstrap.

    Raises:
        InputError: if no radius is given, or one that no hit can lie within, or no draws.
    """
    radii_mm = tuple(radii_mm)
    if not radii_mm or not min(radii_mm) > 0:
        raise InputError(f"The radii must be one or more numbers above 0 mm, got {radii_mm}.")
    if repeats < 1:
        raise InputError(f"The number of bootstrap draws must be at least 1, got {repeats}.")
    by_radius = {radius: [_score(case, radius, threshold) for case in cases] for radius in radii_mm}
    first = by_radius[radii_mm[0]]
    error, bins = _calibration(first)
    people = _drawn_together(first)
    placed = placement_scores([[p for s in one for p in _places(s)] for one in people], repeats=repeats, seed=seed)
    return Scores(
        subjects=len({case.subject for case in cases}),
        scans=len(cases),
        negative_subjects=sum(not len(case.truth.counted_mm) for case in cases),
        microbleeds=sum(len(case.truth.counted_mm) for case in cases),
        ignored_microbleeds=sum(int((~case.truth.visible).sum()) for case in cases),
        operating_point="as kept by the program" if threshold is None else f"score >= {threshold:g}",
        radii=tuple(_radius_scores(radius, scored, repeats, seed) for radius, scored in by_radius.items()),
        strata=_strata(first),
        right_group=placed.right_group if placed else Interval(None, None, None),
        placement=placed,
        removed_by_place=removal_scores(cases, threshold, radii_mm[0]),
        calibration_error=error,
        calibration_bins=bins,
        patients=_patients(first),
        false_positive_kinds=_false_positive_kinds(first, radii_mm[0]),
        ignored_kinds=_ignored_kinds(first),
        seed=seed,
        bootstrap_repeats=repeats,
    )


def _score(case: Case, radius_mm: float, threshold: float | None) -> _Scored:
    """Match one case, once with all candidates that a threshold can reach and once with those kept."""
    found, truth = case.predictions, case.truth
    allowed = np.flatnonzero(~found.ruled_out)
    kept = found.kept if threshold is None else ~found.ruled_out & (found.scores >= threshold)
    chosen = np.flatnonzero(kept)
    matches = [
        match(found.positions_mm[n], found.scores[n], truth.counted_mm, truth.ignored_mm, radius_mm)
        for n in (allowed, chosen)
    ]
    at_point = matches[1]
    counts = (int(at_point.hit.sum()), int(at_point.false_positive.sum()), int((~at_point.found).sum()))
    return _Scored(case, result_of(case.name, found.scores[allowed], matches[0]), chosen, at_point, counts)


def _radius_scores(radius_mm: float, scored: Sequence[_Scored], repeats: int, seed: int) -> RadiusScores:
    """Bootstrap the curve and the operating point together, so that each draw serves all numbers."""
    intervals = bootstrap(_drawn_together(scored), _statistics, repeats=repeats, seed=seed)
    *at, mean, sensitivity, precision, f1, false, in_negatives = intervals
    hits, false_positives, missed = (int(number) for number in _counts(scored).sum(axis=0))
    bleeds, negative = hits + missed, sum(s.curve.truth_count == 0 for s in scored)
    found, sure = of_share(sensitivity, bleeds), of_share(precision, hits + false_positives)
    curve = froc([s.curve for s in scored])
    named = {
        "threshold": curve.thresholds,
        "sensitivity": curve.sensitivity,
        "false_positives_per_subject": curve.false_positives,
        "precision": curve.precision,
    }
    return RadiusScores(
        radius_mm=radius_mm,
        operating=OperatingScores(
            hits=hits,
            false_positives=false_positives,
            missed=missed,
            sensitivity=found,
            precision=sure,
            f1=of_mean(f1, found, sure),
            false_positives_per_subject=of_rate(false, len(scored)),
            false_positives_per_negative_subject=of_rate(in_negatives, negative),
        ),
        sensitivity_at={f"{x:g}": of_share(i, bleeds) for x, i in zip(REPORTED_FALSE_POSITIVES, at, strict=True)},
        mean_sensitivity=of_share(mean, bleeds),
        curve={name: [finite(value) for value in values] for name, values in named.items()},
    )


def _counts(scored: Sequence[_Scored]) -> NDArray[np.int64]:
    """Return hits, false positives and missed of each scan at the operating point, [S, 3]."""
    return np.array([s.counts for s in scored], dtype=np.int64).reshape(-1, 3)


def _drawn_together(scored: Sequence[_Scored]) -> list[list[_Scored]]:
    """Return the scans that a bootstrap draws together: of each subject, or of each simulated head."""
    people: dict[str, list[_Scored]] = {}
    for one in scored:
        people.setdefault(one.case.drawn_with, []).append(one)
    return list(people.values())


def _statistics(people: Sequence[Sequence[_Scored]]) -> NDArray[np.float64]:
    """Return all bootstrapped numbers: the curve's, its mean, then those of :class:`OperatingScores`."""
    scored = [one for person in people for one in person]
    curve = froc([s.curve for s in scored])
    counts = _counts(scored)
    hits, false_positives, missed = counts.sum(axis=0)
    negative = np.array([s.curve.truth_count == 0 for s in scored], dtype=bool)
    operating = [
        _ratio(hits, hits + missed),
        _ratio(hits, hits + false_positives),
        _ratio(2 * hits, 2 * hits + false_positives + missed),
        _ratio(false_positives, len(scored)),
        _ratio(counts[negative, 1].sum(), negative.sum()),
    ]
    return np.array([*curve.sensitivity_at(REPORTED_FALSE_POSITIVES), curve.mean_sensitivity, *operating])


def _ratio(numerator: float, denominator: float) -> float:
    """Return a quotient, NaN where the denominator is 0."""
    return float(numerator / denominator) if denominator else float("nan")


def _strata(scored: Sequence[_Scored]) -> dict[str, list[Stratum]]:
    """Return the sensitivity at the operating point by group, region, size and contrast."""
    found = np.concatenate([np.zeros(0, dtype=bool), *(s.kept.found for s in scored)])
    truths = [(s.case.truth, np.flatnonzero(s.case.truth.visible)) for s in scored]
    diameter = np.concatenate([np.zeros(0), *(t.diameter_mm[n] for t, n in truths)])
    contrast = np.concatenate([np.zeros(0), *(t.contrast[n] for t, n in truths)])
    return {
        "group": by_label([t.groups[i] for t, n in truths for i in n], found),
        "region": by_label([t.regions[i] for t, n in truths for i in n], found),
        "diameter_mm": by_value(diameter, found, DIAMETER_EDGES_MM, "mm"),
        "clutter_contrast": by_value(contrast, found, CONTRAST_EDGES),
    }


def _places(scored: _Scored) -> list[PlacedPair]:
    """Return the true and the predicted place of each hit of one subject."""
    truth, found = scored.case.truth, scored.case.predictions
    visible = np.flatnonzero(truth.visible)
    hits = zip(scored.chosen[scored.kept.hit], visible[scored.kept.truth_index[scored.kept.hit]], strict=True)
    return [
        PlacedPair(
            Place(truth.groups[target], truth.regions[target], truth.sides[target]),
            Place(found.groups[candidate], found.regions[candidate], found.sides[candidate]),
        )
        for candidate, target in hits
    ]


def _calibration(scored: Sequence[_Scored]) -> tuple[float | None, list[dict[str, float | int | None]]]:
    """Return the calibration over all candidates; nothing for scores that are no probabilities."""
    scores = np.concatenate([np.zeros(0), *(s.curve.scores for s in scored)])
    hit = np.concatenate([np.zeros(0, dtype=bool), *(s.curve.hit for s in scored)])
    if not len(scores) or scores.min() < 0 or scores.max() > 1:
        return None, []
    result = calibration(scores, hit)
    rows = zip(result.mean_score, result.hit_share, result.count, strict=True)
    return finite(result.error), [
        {"mean_score": finite(mean), "hit_share": finite(share), "count": int(count)}
        for mean, share, count in rows
    ]


def _patients(scored: Sequence[_Scored]) -> PatientScores:
    """Compare burden classes and 'strictly lobar'; ignored candidates don't count in a patient's number."""
    counted = [int((~s.kept.ignored).sum()) for s in scored]
    agreement = burden_agreement([s.curve.truth_count for s in scored], counted)
    return PatientScores(
        burden_classes=BURDEN_CLASSES,
        burden_confusion=agreement.confusion.tolist(),
        burden_accuracy=finite(agreement.accuracy),
        burden_weighted_kappa=finite(agreement.weighted_kappa),
        strictly_lobar_confusion=_strictly_lobar(scored),
    )


def _strictly_lobar(scored: Sequence[_Scored]) -> list[list[int]] | None:
    """Return [2 (truly not, truly), 3 (said not, said, unknown)]; ``None`` where groups aren't said.

    Subjects of whom the truth leaves it open are in no cell.
    """
    confusion = np.zeros((2, 3), dtype=np.int64)
    for s in scored:
        truth, found = s.case.truth, s.case.predictions
        visible = np.flatnonzero(truth.visible)
        counted = s.chosen[~s.kept.ignored]
        true_groups, groups = [truth.groups[i] for i in visible], [found.groups[i] for i in counted]
        if None in true_groups or None in groups:
            return None
        true_regions, regions = [truth.regions[i] for i in visible], [found.regions[i] for i in counted]
        true = is_strictly_lobar(true_groups, true_regions, _told_apart(true_groups, true_regions))
        if true is None:
            continue
        sure = np.logical_and(found.sure[counted], _told_apart(groups, regions)).tolist()
        # Nothing that counts is no answer either where the program trusts none of its places.
        doubted = found.groups_uncertain and not groups
        predicted = None if doubted else is_strictly_lobar(groups, regions, sure)
        confusion[int(true), 2 if predicted is None else int(predicted)] += 1
    return confusion.tolist()


def _told_apart(groups: Sequence[str | None], regions: Sequence[str | None]) -> list[bool]:
    """Return of each place whether it tells brainstem from cerebellum, on which "strictly lobar" hangs."""
    return [group != "infratentorial" or region is not None for group, region in zip(groups, regions, strict=True)]


def _false_positive_kinds(scored: Sequence[_Scored], radius_mm: float) -> dict[str, int]:
    """Count the false positives by the kind of the nearest known mimic within the radius."""
    kinds: Counter[str] = Counter()
    for s in scored:
        positions = s.case.predictions.positions_mm[s.chosen[s.kept.false_positive]]
        mimics = s.case.truth.mimics_mm
        for position in positions:
            distance = np.linalg.norm(mimics - position, axis=1)
            near = len(distance) > 0 and distance.min() <= radius_mm
            kinds[s.case.truth.mimic_kinds[int(distance.argmin())] if near else OTHER] += 1
    return dict(sorted(kinds.items()))


def _ignored_kinds(scored: Sequence[_Scored]) -> dict[str, int]:
    """Count the candidates that count neither way by the kind of the nearest ignored spot."""
    kinds: Counter[str] = Counter()
    for s in scored:
        ignored, names = s.case.truth.ignored_mm, s.case.truth.ignored_kinds
        for position in s.case.predictions.positions_mm[s.chosen[s.kept.ignored]]:
            kinds[names[int(np.linalg.norm(ignored - position, axis=1).argmin())]] += 1
    return dict(sorted(kinds.items()))
