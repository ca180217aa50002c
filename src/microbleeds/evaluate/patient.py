"""Numbers of a patient rather than of a microbleed: burden class and 'strictly lobar'.

Burden classes are 0, 1, 2-4, 5-9 and 10 or more: the steps at 1, 5 and 10 are those of the ARIA-H grades
(mild 1-4, moderate 5-9, severe from 10), and a single microbleed is kept apart.
'Strictly lobar' follows the Boston criteria v2.0 (Charidimou 2022): at least one lobar microbleed and none
that is deep, brainstem included; **a cerebellar one counts as neither lobar nor deep**. Where that hangs on one
whose place is not sure it is unknown: to call a deep one lobar points to the wrong disease.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BURDEN_CLASSES = ("0", "1", "2-4", "5-9", ">=10")
_LOWER_ENDS = (0, 1, 2, 5, 10)


@dataclass(frozen=True, eq=False)
class Agreement:
    """Agreement of predicted with true burden classes over subjects.

    Args:
        confusion: [5, 5] subjects, rows the truth and columns the prediction.
        accuracy: share of subjects in the right class; NaN without subjects.
        weighted_kappa: Cohen's kappa with linear weights; NaN when all subjects are in one class.
    """

    confusion: NDArray[np.int64]
    accuracy: float
    weighted_kappa: float


def burden_class(count: int) -> str:
    """Return the burden class of a number of microbleeds.

    Example:
        >>> burden_class(3)
        '2-4'
    """
    return BURDEN_CLASSES[int(np.searchsorted(_LOWER_ENDS, count, side="right")) - 1]


def is_strictly_lobar(
    groups: Sequence[str | None], regions: Sequence[str | None], sure: Sequence[bool] | None = None
) -> bool | None:
    """Whether the microbleeds of a patient are strictly lobar by the Boston criteria v2.0.

    One whose place is not sure may lie in any group: it can neither make a patient strictly lobar nor prevent it.

    Args:
        groups: ``lobar``, ``deep``, ``infratentorial`` or ``none`` of each microbleed.
        regions: region of each; one that starts with ``cerebell`` counts as neither lobar nor deep.
        sure: whether the place of each is; all are if ``None``.

    Returns:
        ``None`` where the answer hangs on a microbleed whose place is not sure.
    """
    certain = [True] * len(groups) if sure is None else sure
    not_lobar = (
        group == "deep" or (group == "infratentorial" and not (region or "").startswith("cerebell"))
        for group, region in zip(groups, regions, strict=True)
    )
    if any(found and known for found, known in zip(not_lobar, certain, strict=True)):
        return False
    return "lobar" in groups if all(certain) else None


def burden_agreement(true_counts: Sequence[int], predicted_counts: Sequence[int]) -> Agreement:
    """Return how well predicted burden classes agree with the true ones, one pair of counts per subject."""
    classes = len(BURDEN_CLASSES)
    confusion = np.zeros((classes, classes), dtype=np.int64)
    for true, predicted in zip(true_counts, predicted_counts, strict=True):
        confusion[BURDEN_CLASSES.index(burden_class(true)), BURDEN_CLASSES.index(burden_class(predicted))] += 1
    total = confusion.sum()
    if not total:
        return Agreement(confusion, float("nan"), float("nan"))
    distance = np.abs(np.subtract.outer(np.arange(classes), np.arange(classes)))
    expected = np.outer(confusion.sum(axis=1), confusion.sum(axis=0)) / total
    chance = (distance * expected).sum()
    kappa = 1 - (distance * confusion).sum() / chance if chance else float("nan")
    return Agreement(confusion, float(np.trace(confusion) / total), float(kappa))
