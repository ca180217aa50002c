"""Peers see the detector's crops and learn from them, those without a bleed included."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from microbleeds.compute import Compute
from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.prepare import Prepared
from microbleeds.training.batches import make_batch
from microbleeds.training.presets import PRESETS
from microbleeds.training.subjects import TrainingSubject
from peers.crops import PeerCrop, draw_crops
from peers.methods import new_peer
from peers.peer import piece_of
from peers.symmetry import peaks, symmetry_map

SPACING = np.array([0.5, 0.5, 2.0])
METHODS = ("dynunet", "retinanet", "radial")
CPU = Compute(torch.device("cpu"), torch.float32)


def _image(shape: tuple[int, int, int], bleeds: list[list[int]]) -> np.ndarray:
    """A grey brain with dark balls of 2 mm radius, [2, x, y, z]."""
    rng = np.random.default_rng(0)
    image = np.zeros((2, *shape), dtype=np.float32)
    image[0] = 1 + 0.01 * rng.standard_normal(shape)
    where = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), -1)
    for bleed in bleeds:
        image[0][np.linalg.norm((where - bleed) * SPACING, axis=-1) <= 2] = 0.2
    return image


def _crop(bleeds: list[list[int]], ignored: list[list[int]] | None = None) -> PeerCrop:
    shape = (32, 32, 12)
    points = np.array(bleeds, dtype=np.float64).reshape(-1, 3)
    spots = np.array(ignored or [], dtype=np.float64).reshape(-1, 3)
    diameters = np.full(len(points), 4.0)
    image = _image(shape, bleeds)
    image[0, 4:7, :, 2:5] = 0.3  # a vessel
    return PeerCrop(image, np.ones(shape, dtype=bool), points, diameters, spots, SPACING)


def _subject() -> TrainingSubject:
    shape = (120, 120, 40)
    affine = np.diag([*SPACING, 1.0])
    points = np.array([[60.0, 60.0, 20.0]])
    none = np.zeros((0, 3))
    return TrainingSubject(
        "s",
        _image(shape, [[60, 60, 20]]).astype(np.float16),
        np.full(shape, 40, dtype=np.int8),
        Grid(shape, affine),
        points,
        none,
        none,
        points,
    )


def test_the_crops_are_those_of_the_detector() -> None:
    counts = set()
    for step in range(17, 22):
        key = (3, step, 0)
        crops = draw_crops([_subject()], {}, PRESETS["default"], key)
        batch = make_batch([_subject()], {}, PRESETS["default"], key)
        counts.add(len(crops))
        for crop, image in zip(crops, batch.image, strict=True):
            np.testing.assert_array_equal(crop.image, image.numpy())
    assert counts == {1, 4}  # wide steps and others


def test_bleeds_of_a_crop_lie_on_dark_voxels_and_have_a_size() -> None:
    crops = [c for step in range(4) for c in draw_crops([_subject()], {}, PRESETS["default"], (0, step, 0))]
    inside = [(crop, bleed) for crop in crops for bleed in crop.bleeds]

    assert inside
    for crop, bleed in inside:
        middle = tuple(np.clip(np.round(bleed).astype(int), 0, np.array(crop.brain.shape) - 1))
        assert crop.image[0][middle] < 0.6
        assert np.all((crop.diameters_mm >= 2) & (crop.diameters_mm <= 10))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bleeds", [[[18, 16, 6]], []])
def test_every_crop_teaches(method: str, bleeds: list[list[int]]) -> None:
    pytest.importorskip("monai")
    torch.manual_seed(0)
    peer = new_peer(method)
    peer.module.train()
    loss = peer.loss([_crop(bleeds), _crop(bleeds)])
    loss.backward()
    gradient = sum(float(p.grad.abs().sum()) for p in peer.module.parameters() if p.grad is not None)

    assert torch.isfinite(loss)
    assert np.isfinite(gradient)
    assert gradient > 0


@pytest.mark.parametrize("method", METHODS)
def test_a_few_steps_lower_the_loss(method: str) -> None:
    pytest.importorskip("monai")
    torch.manual_seed(0)
    peer = new_peer(method)
    crops = [_crop([[18, 16, 6]]), _crop([])]
    optimiser = torch.optim.AdamW(peer.module.parameters(), lr=2e-3)
    losses = []
    for _ in range(8):
        peer.module.train()
        loss = peer.loss(crops)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))

    assert min(losses[-3:]) < 0.97 * losses[0]


def test_anchors_near_an_ignored_spot_do_not_count() -> None:
    pytest.importorskip("monai")
    torch.manual_seed(0)
    peer = new_peer("retinanet")
    peer.module.eval()  # the same norms for both
    plain, ignoring = (float(peer.loss([_crop([], spots)]).detach()) for spots in ([], [[18, 16, 6]]))

    assert ignoring < plain


@pytest.mark.parametrize("method", METHODS)
def test_candidates_lie_in_the_brain(method: str) -> None:
    pytest.importorskip("monai")
    torch.manual_seed(0)
    shape = (64, 64, 16)
    brain = np.zeros(shape, dtype=bool)
    brain[:, :32] = True
    prepared = Prepared(_image(shape, [[20, 16, 8], [40, 50, 8]]), brain, Grid(shape, np.eye(4)), True)
    voxels, scores = new_peer(method).candidates(prepared, CPU)

    assert voxels.shape == (len(scores), 3)
    assert np.all(voxels[:, 1] < 32.5)
    assert np.all((scores >= 0) & (scores <= 1))


def test_components_are_spots_with_their_largest_probability() -> None:
    pytest.importorskip("monai")
    from peers.dynunet import components

    probability = np.zeros((20, 20, 10), dtype=np.float32)
    probability[4:7, 4:7, 4] = 0.4
    probability[5, 5, 4] = 0.9
    probability[15, 15, 5:7] = 0.3
    middles, scores = components(probability)

    assert sorted(np.round(scores, 3)) == [0.3, 0.9]
    np.testing.assert_allclose(middles[np.argmax(scores)], [5, 5, 4])
    assert len(components(np.zeros((4, 4, 4), dtype=np.float32))[1]) == 0


def test_a_ball_has_more_votes_than_a_line() -> None:
    swi = _image((80, 60, 20), [[20, 30, 10]])[0]
    swi[55:59, :, 9:12] = 0.2
    votes = symmetry_map(swi, np.ones(swi.shape, dtype=bool), SPACING)
    voxels, found = peaks(votes, SPACING, 5)

    np.testing.assert_allclose(voxels[0], [20, 30, 10], atol=1)
    assert found[0] > 1.3 * votes[50:65].max()


def test_pieces_hold_the_brain_or_part_of_it() -> None:
    assert piece_of((100, 90, 40), (16, 16, 4)) == (112, 96, 40)
    x, y, z = piece_of((400, 400, 80), (16, 16, 4))

    assert (y, z) == (400, 80)
    assert x % 16 == 0
    assert x < 400


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(InputError, match="dynunet"):
        new_peer("no-such-method")
