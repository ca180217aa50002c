"""What is scored: the predictions and the truth of one scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microbleeds.errors import InputError
from microbleeds.evaluate.matching import points

NOT_VISIBLE = "microbleed-not-visible"
UNKNOWN_KIND = "unknown"
Names = Sequence[str | None]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Candidates of one scan, by this program or another.

    Args:
        positions_mm: [N, 3] RAS mm.
        scores: [N] larger is surer.
        kept: [N] whether the program counts it (at its operating point).
        ruled_out: [N] whether its place ruled it out, so that no threshold brings it back.
        groups: [N] ``lobar``, ``deep``, ``infratentorial``, ``none``, or ``None`` where not said.
        regions: [N] region names, or ``None``.
        sides: [N] ``left``, ``right``, ``none``, or ``None`` where not said.
        sure: [N] whether the program is sure of the place.
        cut: score from which on candidates count, ``None`` where the program doesn't say.
        groups_uncertain: whether the program says that no group is to be trusted.
    """

    positions_mm: NDArray[np.float64]
    scores: NDArray[np.float64]
    kept: NDArray[np.bool_]
    ruled_out: NDArray[np.bool_]
    groups: tuple[str | None, ...]
    regions: tuple[str | None, ...]
    sides: tuple[str | None, ...]
    sure: NDArray[np.bool_]
    cut: float | None = None
    groups_uncertain: bool = False


@dataclass(frozen=True, eq=False)
class Truth:
    """Microbleeds of one scan, and what else is known to lie in it.

    Args:
        positions_mm: [M, 3] RAS mm of all microbleeds.
        visible: [M] whether each counts; one that is not visible is ignored.
        groups: [M] as in :class:`Predictions`.
        regions: [M].
        sides: [M].
        diameter_mm: [M] apparent diameter, NaN where unknown.
        contrast: [M] contrast to the local clutter, NaN where unknown.
        mimics_mm: [K, 3] RAS mm of known mimics.
        mimic_kinds: [K].
        mimic_ignored: [K] whether a candidate there is neither a hit nor a false positive.
    """

    positions_mm: NDArray[np.float64]
    visible: NDArray[np.bool_]
    groups: tuple[str | None, ...]
    regions: tuple[str | None, ...]
    sides: tuple[str | None, ...]
    diameter_mm: NDArray[np.float64]
    contrast: NDArray[np.float64]
    mimics_mm: NDArray[np.float64]
    mimic_kinds: tuple[str, ...]
    mimic_ignored: NDArray[np.bool_]

    @property
    def counted_mm(self) -> NDArray[np.float64]:
        """[V, 3] RAS mm of the visible microbleeds."""
        return self.positions_mm[self.visible]

    @property
    def ignored_mm(self) -> NDArray[np.float64]:
        """[I, 3] RAS mm of what is neither a hit nor a false positive."""
        return np.concatenate([self.positions_mm[~self.visible], self.mimics_mm[self.mimic_ignored]])

    @property
    def ignored_kinds(self) -> tuple[str, ...]:
        """[I] what each ignored point is, in the order of :attr:`ignored_mm`."""
        mimics = (kind for kind, out in zip(self.mimic_kinds, self.mimic_ignored, strict=True) if out)
        return (NOT_VISIBLE,) * int((~self.visible).sum()) + tuple(mimics)


@dataclass(frozen=True, eq=False)
class Case:
    """One scan to score.

    Args:
        name: of the scan.
        predictions: what was found.
        truth: what there is.
        head: simulated head that it shows; scans of one head are drawn together, as visits of one person are.
    """

    name: str
    predictions: Predictions
    truth: Truth
    head: str = ""

    @property
    def subject(self) -> str:
        """Whose scan it is: visits of one person (``sub-001_ses-1``) are drawn together."""
        return self.name.partition("_ses-")[0]

    @property
    def drawn_with(self) -> str:
        """What a bootstrap draws: scans of which this is the same don't speak independently."""
        return self.head or self.subject


def predictions(
    positions_mm: ArrayLike,
    scores: ArrayLike | None = None,
    kept: ArrayLike | None = None,
    ruled_out: ArrayLike | None = None,
    groups: Names | None = None,
    regions: Names | None = None,
    sides: Names | None = None,
    sure: ArrayLike | None = None,
    cut: float | None = None,
    groups_uncertain: bool = False,
) -> Predictions:
    """Return predictions with what wasn't said filled in: score 1, kept, nothing ruled out, no group, sure of it.

    Raises:
        InputError: if something doesn't hold one value for each position.
    """
    position = points(positions_mm, "Predictions")
    each = _Filled(len(position), "predictions")
    return Predictions(
        positions_mm=position,
        scores=each.numbers(scores, "scores", 1.0),
        kept=each.flags(kept, "kept", default=True),
        ruled_out=each.flags(ruled_out, "ruled_out", default=False),
        groups=each.names(groups, "groups"),
        regions=each.names(regions, "regions"),
        sides=each.names(sides, "sides"),
        sure=each.flags(sure, "sure", default=True),
        cut=cut,
        groups_uncertain=groups_uncertain,
    )


def truth(
    positions_mm: ArrayLike,
    visible: ArrayLike | None = None,
    groups: Names | None = None,
    regions: Names | None = None,
    diameter_mm: ArrayLike | None = None,
    contrast: ArrayLike | None = None,
    mimics_mm: ArrayLike | None = None,
    mimic_kinds: Names | None = None,
    mimic_ignored: ArrayLike | None = None,
    sides: Names | None = None,
) -> Truth:
    """Return a truth with what isn't known filled in: all visible, no group, NaN sizes, no mimics, unknown kinds.

    Raises:
        InputError: if something doesn't hold one value for each microbleed, or each mimic.
    """
    position, mimics = points(positions_mm, "Truths"), points([] if mimics_mm is None else mimics_mm, "Mimics")
    each, each_mimic = _Filled(len(position), "microbleeds"), _Filled(len(mimics), "mimics")
    return Truth(
        positions_mm=position,
        visible=each.flags(visible, "visible", default=True),
        groups=each.names(groups, "groups"),
        regions=each.names(regions, "regions"),
        sides=each.names(sides, "sides"),
        diameter_mm=each.numbers(diameter_mm, "diameter_mm", np.nan),
        contrast=each.numbers(contrast, "contrast", np.nan),
        mimics_mm=mimics,
        mimic_kinds=tuple(kind or UNKNOWN_KIND for kind in each_mimic.names(mimic_kinds, "mimic_kinds")),
        mimic_ignored=each_mimic.flags(mimic_ignored, "mimic_ignored", default=False),
    )


@dataclass(frozen=True)
class _Filled:
    """Brings what is given of ``count`` things to one value each, and fills in what isn't given.

    Args:
        count: how many there are.
        what: they are, for the sentence of an error.
    """

    count: int
    what: str

    def flags(self, values: ArrayLike | None, name: str, *, default: bool) -> NDArray[np.bool_]:
        """Return booleans [count]."""
        flags = np.full(self.count, default) if values is None else np.asarray(values, dtype=bool).reshape(-1)
        self._refuse_other_length(len(flags), name)
        return flags

    def numbers(self, values: ArrayLike | None, name: str, default: float) -> NDArray[np.float64]:
        """Return numbers [count]."""
        full = np.full(self.count, default) if values is None else np.asarray(values, dtype=np.float64).reshape(-1)
        self._refuse_other_length(len(full), name)
        return full

    def names(self, values: Names | None, name: str) -> tuple[str | None, ...]:
        """Return names [count], all ``None`` if none are given; a text is one name."""
        given = () if values is None else (values,) if isinstance(values, str) else tuple(values)
        named = given or (None,) * self.count
        self._refuse_other_length(len(named), name)
        return named

    def _refuse_other_length(self, found: int, name: str) -> None:
        if found != self.count:
            raise InputError(f"There are {self.count} {self.what} but {found} values of {name}; give one each.")
