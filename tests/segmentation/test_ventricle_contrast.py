"""Whether the ventricles stand out from the white matter around them; a scan says so where they do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracle_anatomy import OracleNetwork
from phantom_head import centred_grid, phantom, scan_of

from microbleeds.compute import Compute
from microbleeds.networks.anatomy_classes import AnatomyClass
from microbleeds.segmentation import segment, ventricle_contrast
from microbleeds.segmentation.ventricle_contrast import LEAST_CONTRAST, hidden_ventricles

SHAPE = (60, 60, 24)


@pytest.fixture
def classes() -> np.ndarray:
    classes = np.full(SHAPE, AnatomyClass.WHITE, dtype=np.uint8)
    classes[24:36, 20:40, 8:16] = AnatomyClass.VENTRICLE
    return classes


def image_of(classes: np.ndarray, fluid: float, deviation: float = 0.1) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0.0, deviation, classes.shape)
    return (np.where(classes == AnatomyClass.VENTRICLE, fluid, 1.0) + noise).astype(np.float32)


@pytest.mark.parametrize(("fluid", "expected"), [(0.5, 5.0), (1.3, 3.0), (1.0, 0.0)])
def test_is_the_difference_in_standard_deviations(classes: np.ndarray, fluid: float, expected: float) -> None:
    assert ventricle_contrast.ventricle_contrast(image_of(classes, fluid), classes) == pytest.approx(
        expected, abs=0.1
    )


def test_does_not_depend_on_the_unit(classes: np.ndarray) -> None:
    image = image_of(classes, 0.5)
    contrasts = [ventricle_contrast.ventricle_contrast(scale * image, classes) for scale in (1.0, 40.0)]
    assert contrasts[0] == pytest.approx(contrasts[1], rel=1e-3)


def test_white_matter_far_away_and_borders_do_not_count(classes: np.ndarray) -> None:
    wide = np.full((140, 60, 24), AnatomyClass.WHITE, dtype=np.uint8)
    wide[:60] = classes
    image = image_of(wide, 0.5)
    image[90:] = 0.5  # a dark far end
    image[24, 20:40, 8:16] = 3.0  # a bright wall
    assert ventricle_contrast.ventricle_contrast(image, wide) == pytest.approx(5.0, abs=0.2)


def test_nothing_is_said_of_too_little(classes: np.ndarray) -> None:
    for found in (np.full_like(classes, AnatomyClass.WHITE), np.full_like(classes, AnatomyClass.VENTRICLE)):
        assert ventricle_contrast.ventricle_contrast(image_of(found, 0.5), found) is None
        assert hidden_ventricles(image_of(found, 0.5), found) == []
    classes[30:] = AnatomyClass.WHITE
    classes[:, :, 9:] = AnatomyClass.WHITE
    assert ventricle_contrast.ventricle_contrast(image_of(classes, 0.5), classes) is None


def test_a_sentence_only_where_they_hardly_stand_out(classes: np.ndarray) -> None:
    assert hidden_ventricles(image_of(classes, 1.0 - 0.1 * (LEAST_CONTRAST + 0.3)), classes) == []
    (sentence,) = hidden_ventricles(image_of(classes, 0.95), classes)
    assert "by 0.5 standard deviations" in sentence
    assert "deep or lobar" in sentence


def test_a_scan_says_so_and_keeps_its_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = centred_grid((168.0, 204.0, 160.0), (2.0, 2.0, 2.0))
    oracle, compute = OracleNetwork((4, 4, 4, 4, 4), 4).eval(), Compute(torch.device("cpu"), torch.float32)
    plain = segment(scan_of(phantom(grid), grid), oracle, compute)
    assert not any("stand out" in warning for warning in plain.warnings)
    monkeypatch.setattr(ventricle_contrast, "LEAST_CONTRAST", 1e9)
    found = segment(scan_of(phantom(grid), grid), oracle, compute)
    assert any("stand out" in warning for warning in found.warnings)
    assert found.confident
    np.testing.assert_array_equal(found.regions, plain.regions)
