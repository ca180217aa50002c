"""Which finding of one visit is which of the other.

Two passes, each one-to-one and optimal (Hungarian method): first the findings that count at both visits, then
what is left over of either with the other's candidates that do not count but reach the rule's low cut. So a sure
finding never loses its partner to a doubtful one, and a threshold flicker is not called new.

What has no candidate at the other visit need not be new or lost: where the other scan is nearly as dark at that
place, the search passed over what was there.

Two kinds of candidates that don't count at follow-up are new all the same, where baseline shows nothing: those
that only their place ruled out although they score high, and those that only their score kept out, found by
comparing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from microbleeds.followup.darkness import darkness
from microbleeds.followup.rigid import applied, inverse
from microbleeds.followup.rule import Rule, State
from microbleeds.geometry import Grid
from microbleeds.report.record import Finding

_WHY_NOT_COUNTED = {
    "score": "its score is below the cut",
    "anatomy": "its place ruled it out",
    "reader": "a reader rejected it",
}
_RULED_OUT = (
    "Not counted at follow-up, where its place ruled it out; called new since it scores high and nothing was "
    "there at baseline. Look whether it lies in the brain."
)
_BY_COMPARING = (
    "Not counted in the follow-up's own result, where its score is below the cut ({score:.2f}). It was found by "
    "comparing: nothing was there at baseline. Look whether it is a microbleed."
)
_DARK_TOO = (
    "{visit} has no candidate there but is dark as well ({there:.0%} against {here:.0%} below the surroundings), "
    "so it is not called {state}."
)

_NONE = -1


@dataclass(frozen=True, eq=False)
class VisitFindings:
    """All candidates of a visit and where they were looked for.

    Args:
        findings: all candidates, whether they count or not.
        grid: of the scan.
        brain: bool on ``grid``, where candidates were looked for; the whole grid if ``None``.
        swi: the image on ``grid``; without it a place's darkness is unknown.
    """

    findings: Sequence[Finding]
    grid: Grid
    brain: NDArray[np.bool_] | None = None
    swi: NDArray[np.float32] | None = None

    @cached_property
    def positions_mm(self) -> NDArray[np.float64]:
        """[N, 3] RAS mm."""
        return np.array([finding.position_ras_mm for finding in self.findings], dtype=np.float64).reshape(-1, 3)

    def which(self, kept: bool) -> list[int]:
        """Indices of the findings that count, or of those that don't."""
        return [n for n, finding in enumerate(self.findings) if finding.kept is kept]

    def searched(self, place_mm: NDArray[np.float64]) -> bool:
        """Whether a candidate at this place, RAS mm [3], would have been found."""
        if not within(self.grid, place_mm):
            return False
        i, j, k = np.rint(self.grid.to_ijk(place_mm)).astype(int)
        return self.brain is None or bool(self.brain[i, j, k])

    def darkness(self, place_mm: NDArray[np.float64], reach_mm: float) -> float | None:
        """How dark a place, RAS mm [3], is against its surroundings; ``None`` if that is unknown."""
        if self.swi is None or not within(self.grid, place_mm):
            return None
        return darkness(self.swi, self.grid, place_mm, reach_mm)


@dataclass(frozen=True)
class Lesion:
    """One place at two visits.

    Args:
        state: what became of it.
        baseline: finding or candidate there at baseline, ``None`` where there's none above the floor.
        followup: the same at follow-up.
        distance_mm: between both after alignment.
        note: a sentence where it counts at one visit only.
        found_by_comparing: new, though only its score keeps it from counting at follow-up.
        darkness: of the place at baseline and at follow-up, where it has no partner and both are known.
    """

    state: State
    baseline: Finding | None
    followup: Finding | None
    distance_mm: float | None = None
    note: str | None = None
    found_by_comparing: bool = False
    darkness: tuple[float, float] | None = None


#: Lesions by the indices of their findings, :data:`_NONE` where a visit has none.
Lesions = dict[tuple[int, int], Lesion]


def match_findings(
    baseline: VisitFindings,
    followup: VisitFindings,
    followup_from_baseline: NDArray[np.float64],
    rule: Rule,
    tolerance_mm: float,
    reach_mm: float = 1.0,
) -> list[Lesion]:
    """Return every place that counts at one visit at least, or is new all the same; those of the baseline first.

    Args:
        baseline: candidates in the baseline's RAS mm.
        followup: candidates in the follow-up's RAS mm.
        followup_from_baseline: [4, 4] rigid map.
        rule: the cuts.
        tolerance_mm: largest distance of a match.
        reach_mm: how far from a place its darkness is looked for.
    """
    task = _Task(baseline, followup, followup_from_baseline, rule, tolerance_mm, reach_mm)
    lesions = task.counted_at_both()
    lesions |= task.flickers(lesions)
    lesions |= task.left_over(lesions)
    lesions |= task.ruled_out_but_sure(lesions)
    lesions |= task.found_by_comparing(lesions)
    order = sorted(lesions, key=lambda pair: (pair[0] == _NONE, pair[0], pair[1]))
    return [lesions[pair] for pair in order]


@dataclass(frozen=True, eq=False)
class _Task:
    """What is matched, step by step; each step gives lesions by their indices (baseline, follow-up)."""

    baseline: VisitFindings
    followup: VisitFindings
    followup_from_baseline: NDArray[np.float64]
    rule: Rule
    tolerance_mm: float
    reach_mm: float

    @cached_property
    def gate(self) -> NDArray[np.float64]:
        """[N, M] distances after alignment, infinite beyond the tolerance."""
        moved = applied(self.followup_from_baseline, self.baseline.positions_mm)
        distance = np.linalg.norm(moved[:, None] - self.followup.positions_mm[None], axis=-1)
        return np.where(distance <= self.tolerance_mm, distance, np.inf)

    def counted_at_both(self) -> Lesions:
        """Pairs of findings that count."""
        pairs = assign(self.gate, self.baseline.which(True), self.followup.which(True))
        return {pair: Lesion("stable", *self._both(pair), float(self.gate[pair])) for pair in pairs}

    def flickers(self, lesions: Lesions) -> Lesions:
        """Findings that count at one visit, with a candidate that doesn't at the other."""
        lost, appeared = self._without_partner(lesions)
        pairs = assign(self.gate, lost, self._doubtful(self.followup))
        pairs += assign(self.gate, self._doubtful(self.baseline), appeared)
        return {pair: _flicker(*self._both(pair), float(self.gate[pair])) for pair in pairs}

    def left_over(self, lesions: Lesions) -> Lesions:
        """Findings without a partner: lost, new, or out of the other scan's sight."""
        lost, appeared = self._without_partner(lesions)
        there, here = self.followup_from_baseline, self.back
        taken_b, taken_f = ({pair[side] for pair in lesions} for side in (0, 1))
        found: Lesions = {}
        for b in lost:
            lesion, nearest = _unmatched(self.baseline, self.followup, b, self.gate[b], taken_f, there)
            taken_f |= nearest  # a candidate belongs to one lesion
            found[b, _NONE] = self._unless_dark(lesion, self.darkness_of_baselines(b))
        for f in appeared:
            swapped, nearest = _unmatched(self.followup, self.baseline, f, self.gate[:, f], taken_b, here)
            taken_b |= nearest
            found[_NONE, f] = self._unless_dark(_turned(swapped), self.darkness_of(f))
        return found

    def ruled_out_but_sure(self, lesions: Lesions) -> Lesions:
        """Follow-up's candidates of a high score that only their place removed, where nothing was before."""
        if self.rule.sure_cut is None:
            return {}
        taken = {f for _, f in lesions if f != _NONE}
        found: Lesions = {}
        for f, finding in enumerate(self.followup.findings):
            sure = finding.removed_by == "anatomy" and finding.score >= self.rule.sure_cut
            place = applied(self.back, self.followup.positions_mm[f])
            alone = sure and self._stands_alone(f, taken)
            if not (alone and self._nothing_before(f) and within(self.baseline.grid, place)):
                continue
            dark = self.darkness_of(f)
            if not self._dark_too(dark):
                found[_NONE, f] = Lesion("new", None, finding, note=_RULED_OUT, darkness=dark)
        return found

    def found_by_comparing(self, lesions: Lesions) -> Lesions:
        """Follow-up's candidates that only their score keeps from counting, where nothing was before.

        Baseline must have been searched there: outside of its field of view and brain it has no candidates at all.
        """
        if self.rule.new_cut is None:
            return {}
        taken = {f for _, f in lesions if f != _NONE}
        found: Lesions = {}
        for f, finding in enumerate(self.followup.findings):
            if finding.removed_by != "score" or finding.score < self.rule.new_cut:
                continue
            searched = self.baseline.searched(applied(self.back, self.followup.positions_mm[f]))
            if not (searched and self._nothing_before(f) and self._stands_alone(f, taken)):
                continue
            dark = self.darkness_of(f)
            if dark is not None and (self._dark_too(dark) or dark[1] < self.rule.least_darkness):
                continue
            swapped, _ = _unmatched(self.followup, self.baseline, f, self.gate[:, f], set(), self.back)
            note = _BY_COMPARING.format(score=finding.score)
            found[_NONE, f] = replace(_turned(swapped), note=note, found_by_comparing=True, darkness=dark)
        return found

    @cached_property
    def back(self) -> NDArray[np.float64]:
        """[4, 4] map from follow-up to baseline."""
        return inverse(self.followup_from_baseline)

    def darkness_of(self, f: int) -> tuple[float, float] | None:
        """Darkness at baseline and follow-up at the place of a candidate of follow-up."""
        place_mm = self.followup.positions_mm[f]
        return self._darkness(applied(self.back, place_mm), place_mm)

    def darkness_of_baselines(self, b: int) -> tuple[float, float] | None:
        """The same at the place of a candidate of baseline."""
        place_mm = self.baseline.positions_mm[b]
        return self._darkness(place_mm, applied(self.followup_from_baseline, place_mm))

    def _darkness(
        self, baseline_mm: NDArray[np.float64], followup_mm: NDArray[np.float64]
    ) -> tuple[float, float] | None:
        before = self.baseline.darkness(baseline_mm, self.reach_mm)
        after = self.followup.darkness(followup_mm, self.reach_mm)
        return None if before is None or after is None else (before, after)

    def _dark_too(self, darkness: tuple[float, float] | None) -> bool:
        """Whether what is dark at follow-up was dark at baseline, (baseline, follow-up)."""
        return darkness is not None and self._as_dark(darkness[0], darkness[1])

    def _as_dark(self, there: float, here: float) -> bool:
        """Whether the other scan is dark enough at a place for what is seen here to be there as well.

        What is hardly dark here itself cannot be told in this way.
        """
        share = self.rule.dark_share
        return share is not None and here >= self.rule.least_darkness and there >= share * here

    def _unless_dark(self, lesion: Lesion, darkness: tuple[float, float] | None) -> Lesion:
        """A lesion without partner, or a stable one if the other scan is dark there too."""
        if darkness is None or lesion.state == "outside-field-of-view":
            return lesion
        new = lesion.state == "new"
        here, there = (darkness[1], darkness[0]) if new else darkness
        if not self._as_dark(there, here):
            return replace(lesion, darkness=darkness)
        visit, state = ("Baseline", "new") if new else ("Follow-up", "lost")
        note = _DARK_TOO.format(visit=visit, there=there, here=here, state=state)
        return replace(lesion, state="stable", note=note, darkness=darkness)

    def _nothing_before(self, f: int) -> bool:
        """Whether baseline has no candidate near one of follow-up: none that counts or reaches the low cut."""
        near = [self.baseline.findings[n] for n in np.flatnonzero(np.isfinite(self.gate[:, f])).tolist()]
        # What a reader added scores 0 and counts.
        return not any(finding.kept or finding.score >= self.rule.low_cut for finding in near)

    def _stands_alone(self, f: int, taken: set[int]) -> bool:
        """Whether a candidate of follow-up is the best near its place, and none there is in a lesion already.

        Else it may be the flank of a vessel or of another bleed, and one bleed would count twice.
        """
        position = self.followup.positions_mm
        near = np.flatnonzero(np.linalg.norm(position - position[f], axis=1) <= self.tolerance_mm).tolist()
        best = max(near, key=lambda n: (self.followup.findings[n].score, -n))
        return best == f and not taken.intersection(near)

    def _both(self, pair: tuple[int, int]) -> tuple[Finding, Finding]:
        return self.baseline.findings[pair[0]], self.followup.findings[pair[1]]

    def _without_partner(self, lesions: Lesions) -> tuple[list[int], list[int]]:
        """Findings that count at baseline, at follow-up, and are in no lesion yet."""
        matched_b, matched_f = ({pair[side] for pair in lesions} for side in (0, 1))
        lost = [n for n in self.baseline.which(True) if n not in matched_b]
        return lost, [n for n in self.followup.which(True) if n not in matched_f]

    def _doubtful(self, visit: VisitFindings) -> list[int]:
        """Candidates that don't count but reach the low cut."""
        return [n for n in visit.which(False) if visit.findings[n].score >= self.rule.low_cut]


def assign(gate: NDArray[np.float64], rows: Sequence[int], columns: Sequence[int]) -> list[tuple[int, int]]:
    """Return the one-to-one pairs of some rows and columns: as many as possible, then the shortest in sum.

    Args:
        gate: [N, M] distances, infinite where a pair is not allowed.
        rows: indices into N.
        columns: indices into M.
    """
    if not rows or not columns:
        return []
    part = gate[np.ix_(rows, columns)]
    allowed = np.isfinite(part)
    # A forbidden pair costs more than all allowed ones together, so none is chosen in place of an allowed one.
    forbidden = 1.0 + float(part[allowed].sum())
    chosen = linear_sum_assignment(np.where(allowed, part, forbidden))
    return [(rows[i], columns[j]) for i, j in zip(*chosen, strict=True) if allowed[i, j]]


def _flicker(baseline: Finding, followup: Finding, distance_mm: float) -> Lesion:
    """A place that counts at one visit, with a candidate of some score at the other."""
    other, visit = (followup, "follow-up") if baseline.kept else (baseline, "baseline")
    why = _WHY_NOT_COUNTED[other.removed_by or "score"]
    note = f"Not counted at {visit}, where {why} ({other.score:.2f}); a candidate is there, so it is not "
    note += "called lost." if baseline.kept else "called new."
    return Lesion("stable", baseline, followup, distance_mm, note)


def _unmatched(
    here: VisitFindings,
    there: VisitFindings,
    index: int,
    gate: NDArray[np.float64],
    taken: set[int],
    there_from_here: NDArray[np.float64],
) -> tuple[Lesion, set[int]]:
    """A finding of one visit (written as baseline) without a partner, and the candidate named at the other."""
    finding = here.findings[index]
    if not within(there.grid, applied(there_from_here, here.positions_mm[index])):
        return Lesion("outside-field-of-view", finding, None), set()
    free = [n for n in there.which(False) if n not in taken and np.isfinite(gate[n])]
    best = max(free, key=lambda n: there.findings[n].score, default=None)
    if best is None:
        return Lesion("no-longer-seen", finding, None), set()
    return Lesion("no-longer-seen", finding, there.findings[best], float(gate[best])), {best}


def _turned(lesion: Lesion) -> Lesion:
    """The same lesion with both visits swapped."""
    state: State = "new" if lesion.state == "no-longer-seen" else lesion.state
    return replace(lesion, state=state, baseline=lesion.followup, followup=lesion.baseline)


def within(grid: Grid, place_mm: NDArray[np.float64]) -> bool:
    """Whether a place lies between the centres of the outermost voxels; half a slice shows no bleed."""
    ijk = grid.to_ijk(place_mm)
    return bool(np.all((ijk >= 0) & (ijk <= np.asarray(grid.shape) - 1)))
