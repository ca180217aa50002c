"""Subjects straight from the simulator."""

from __future__ import annotations

import numpy as np
import pytest

from microbleeds.simulate.cohort import CohortSettings
from microbleeds.simulate.protocol import Protocol
from microbleeds.training.simulated import DrawSimulated

pytestmark = pytest.mark.slow


def test_a_drawn_subject_is_prepared_and_labelled(coarse_protocol: Protocol) -> None:
    settings = CohortSettings(coarse_protocol.name, "natural", "rich", scans_per_head=2)
    draw = DrawSimulated(settings, seed=3)
    first, second = draw(0), draw(1)
    assert first.image.shape[0] == 2
    assert np.allclose(first.grid.spacing_mm, [0.5, 0.5, 2.0], rtol=0.05)
    assert len(first.bleeds) + len(second.bleeds) > 0
    for subject in (first, second):
        for bleed in subject.bleeds:
            assert subject.depth[tuple(np.round(bleed).astype(int))] > 0
    assert not np.array_equal(first.image, second.image)  # another scan of the same head
