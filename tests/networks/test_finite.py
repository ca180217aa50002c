"""NaN never passes for an image without findings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from microbleeds.compute import choose
from microbleeds.detect import DetectSettings, score_map
from microbleeds.networks.config import DetectorConfig
from microbleeds.networks.detector import Detector
from microbleeds.networks.finite import TRIES, finite


def failing(times: int) -> Callable[[], tuple[Tensor, Tensor]]:
    """An answer that holds one NaN so many times."""
    calls = iter(range(100))

    def ask() -> tuple[Tensor, Tensor]:
        spoilt = next(calls) < times
        return torch.zeros(3), torch.tensor([1.0, torch.nan if spoilt else 2.0])

    return ask


def test_it_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    _, second = finite(failing(TRIES - 1))
    assert second.tolist() == [1.0, 2.0]
    assert f"try {TRIES - 1} of {TRIES}" in caplog.text


def test_a_lasting_fault_is_an_error() -> None:
    with pytest.raises(FloatingPointError, match="Nothing was searched"):
        finite(failing(TRIES))


def test_broken_weights_find_nothing_in_no_scan() -> None:
    model = Detector(DetectorConfig(widths=(8, 12), pools=((2, 2, 1),), fusion_channels=8, head_channels=8))
    with torch.no_grad():
        next(model.parameters()).fill_(torch.inf)
    image = np.ones((2, 32, 32, 8), dtype=np.float32)
    with pytest.raises(FloatingPointError):
        score_map(image, model.eval(), DetectSettings(), choose("cpu", "float32"))
