"""What only the labels of a whole data set show: axes read the wrong way round, and counts from another number.

One careless label proves nothing; if most labels of a data set fall on darker places under one other reading, and
clearly so, the labels were meant that way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microbleeds.annotations import forms
from microbleeds.annotations.check import DARK_CONTRAST, Evidence, Remark
from microbleeds.annotations.darkness import OtherReading, other_readings

# Three labels that all turn from tissue to dark spots are hardly an accident: of random places of a simulated
# brain one in ten has a contrast above 3.6.
FEWEST_LABELS = 3
CLEARLY_DARKER = 2.0  # of the median contrast; true places lie 7 above all others on simulated scans
CLEAR_SHARE = 0.7
SURE = 3.0  # standard errors
FEWEST_FOR_OFFSET = 5
OFFSET_VOXELS = 0.5  # of a mean offset; a count off by one gives 0.6 to 1.0, true labels 0.2 at most
SURE_OFFSET = 4.0
_SIDES = {"R": "left and right", "L": "left and right", "A": "front and back", "P": "front and back"}
_TOWARDS = {"R": "right", "L": "left", "A": "anterior", "P": "posterior", "S": "superior", "I": "inferior"}
_NAMES, _FITTING = ("column", "row", "slice"), ("RL", "AP", "SI")


@dataclass(frozen=True, eq=False)
class _Pool:
    """Labels of all scans with one form and one order of axes."""

    form: str
    axis_codes: str
    given: NDArray[np.float64]
    others: dict[str, NDArray[np.float64]]
    offsets_voxel: NDArray[np.float64]
    scans: int


def check_together(evidence: Sequence[Evidence]) -> list[Remark]:
    """Judge the labels of a data set.

    Args:
        evidence: of all its scans.

    Returns:
        An error for each form of labels that another reading explains clearly better, a warning for counts that
        seem to start at another number and for labels that no reading explains.
    """
    labels = sum(len(one.contrasts) for one in evidence)
    if evidence and not labels:
        return [
            Remark("error", "no-labels", "No scan has a microbleed; there is nothing to learn from or to score.")
        ]
    remarks = []
    for pool in _pools(evidence):
        better = _better_reading(pool)
        if better is not None:
            remarks.append(_reading_remark(pool, better))
        elif len(pool.given) >= FEWEST_LABELS and np.median(pool.given) < DARK_CONTRAST:
            remarks.append(_pale_remark(pool))
        else:
            remarks += _offset_remarks(pool)
    return remarks


def _pools(evidence: Sequence[Evidence]) -> list[_Pool]:
    groups: dict[tuple[str, str], list[Evidence]] = defaultdict(list)
    for one in evidence:
        if len(one.contrasts):
            groups[one.form, one.axis_codes].append(one)
    return [
        _Pool(
            form,
            codes,
            np.concatenate([one.contrasts for one in group]),
            {key: np.concatenate([one.others[key] for one in group]) for key in group[0].others},
            np.concatenate([one.offsets_voxel for one in group]),
            len(group),
        )
        for (form, codes), group in sorted(groups.items())
    ]


def _better_reading(pool: _Pool) -> OtherReading | None:
    """Return the reading under which the labels are clearly and consistently darker, if there is one."""
    if len(pool.given) < FEWEST_LABELS:
        return None
    clear = [reading for reading in other_readings() if _clearly_darker(pool.others[reading.key], pool.given)]
    # LPS and a mirroring of both axes come out alike on a centred image; what the form can mean goes first.
    in_mm = pool.form == forms.OF_COUNTING["mm"]
    fitting = [reading for reading in clear if (reading.space != "RAS") == in_mm] or clear
    best = max(clear, key=lambda reading: float(np.median(pool.others[reading.key])), default=None)
    if best is None:
        return None
    first = max(fitting, key=lambda reading: float(np.median(pool.others[reading.key])))
    near = np.median(pool.others[first.key]) >= 0.9 * np.median(pool.others[best.key])
    return first if near else best


def _clearly_darker(other: NDArray[np.float64], given: NDArray[np.float64]) -> bool:
    gain = other - given
    error = max(float(gain.std(ddof=1)) / np.sqrt(len(gain)), 1e-9)
    return bool(
        np.median(other) - np.median(given) >= CLEARLY_DARKER
        and np.median(other) >= DARK_CONTRAST
        and (gain > 0).mean() >= CLEAR_SHARE
        and gain.mean() / error >= SURE
    )


def _reading_remark(pool: _Pool, reading: OtherReading) -> Remark:
    other = pool.others[reading.key]
    sentence = (
        f"The labels {_what(pool)} seem to be meant {_words(reading, pool)}: {(other > pool.given).mean():.0%} of "
        f"them would lie on darker places (median contrast {np.median(other):.1f} instead of "
        f"{np.median(pool.given):.1f}). {_advice(reading, pool)}"
    )
    return Remark("error", reading.key, sentence)


def _what(pool: _Pool) -> str:
    """Name the labels of a pool."""
    return f"({pool.form}; {len(pool.given)} in {pool.scans} scan{'s' * (pool.scans > 1)})"


def _words(reading: OtherReading, pool: _Pool) -> str:
    """Say what is the other way round."""
    if reading.space != "RAS":
        sides = (_TOWARDS[letter] for letter in reading.space)
        return f"as {reading.space}, with x, y and z growing to {', '.join(sides)}"
    parts = ["with rows and columns (the first two axes) swapped"] if reading.swapped else []
    mirrored = [f"{_side(pool.axis_codes[axis])} (axis {'ijk'[axis]})" for axis in reading.mirrored]
    return " and ".join(parts + ([f"mirrored in {' and in '.join(mirrored)}"] if mirrored else []))


def _side(letter: str) -> str:
    return _SIDES.get(letter, "head and foot")


def _advice(reading: OtherReading, pool: _Pool) -> str:
    """Say what to write into labels.json, or to do."""
    if reading.space != "RAS" and pool.form == forms.OF_COUNTING["mm"]:
        return f'State {{"space": "{reading.space}"}} in labels.json, if no column says otherwise.'
    counted = pool.form in (forms.OF_COUNTING["image"], forms.OF_COUNTING["array"])
    if counted and all(pool.axis_codes[axis] in _FITTING[axis] for axis in reading.mirrored):
        stated = [f'"{_NAMES[axis]}_direction": "{_opposite(pool.axis_codes[axis])}"' for axis in reading.mirrored]
        columns = ['"columns": [the names in the order of the columns, row and column exchanged]']
        return (
            f"State {{{', '.join(columns * reading.swapped + stated)}}} in labels.json, or take such a line away "
            "if it is there."
        )
    if pool.form == forms.MATLAB and reading.swapped and not reading.mirrored:
        return 'State {"columns": ["j", "i", "k"]} in labels.json.'
    if pool.form == forms.MASK:
        return "Write the masks again on the grid of their scans."
    return "Correct the labels, or check that they belong to these images."


def _opposite(letter: str) -> str:
    return _TOWARDS[{"R": "L", "L": "R", "A": "P", "P": "A", "S": "I", "I": "S"}[letter]]


def _pale_remark(pool: _Pool) -> Remark:
    sentence = (
        f"The labels {_what(pool)} don't lie on dark spots (median contrast {np.median(pool.given):.1f}), and no "
        "other reading of their axes does better; check that they belong to these images."
    )
    return Remark("error", "not-dark", sentence)


def _offset_remarks(pool: _Pool) -> list[Remark]:
    """Tell a count that starts at another number: all labels then lie off their spots to the same side."""
    offsets = pool.offsets_voxel[np.isfinite(pool.offsets_voxel).all(axis=1)]
    if len(offsets) < FEWEST_FOR_OFFSET:
        return []
    mean = offsets.mean(axis=0)
    error = np.maximum(offsets.std(axis=0, ddof=1) / np.sqrt(len(offsets)), 1e-9)
    off = (np.abs(mean) >= OFFSET_VOXELS) & (np.abs(mean) / error >= SURE_OFFSET)
    if not off.any():
        return []
    parts = [f"{mean[axis]:+.1f} voxels along {'ijk'[axis]}" for axis in np.flatnonzero(off)]
    whole = bool(off.all()) and abs(float(np.sign(mean).sum())) == 3
    counted = pool.form not in (forms.MASK, forms.OF_COUNTING["mm"], forms.PROGRAM)
    if whole and counted:
        advice = (
            f'the numbers seem to start at {1 if mean[0] < 0 else 0}; state {{"base": {1 if mean[0] < 0 else 0}}} '
        )
        advice += "in labels.json."
    elif off[2] and not off[:2].any():
        advice = "the slices seem to be counted from another number; check the slice numbers."
    else:
        advice = "check from which number they are counted."
    sentence = f"The dark spots lie on average {' and '.join(parts)} from the labels {_what(pool)}: {advice}"
    return [Remark("warning", "off-by-one", sentence)]
