"""Spots, areas under curves, and what a failure is taken for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from failures import runs_on
from microbleeds.compute import Compute
from microbleeds.detect import REFINED_FROM_LOGIT, DetectSettings, score_map
from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.networks.config import DetectorConfig, RefinementConfig
from microbleeds.networks.detector import Detector, cell_to_voxel, for_inference
from microbleeds.prepare import Prepared
from microbleeds.refine import refinement_logits
from microbleeds.simulate.inclusions import Inclusion
from mimic_scans import calcified
from mimic_spots import Spot, read_spots, write_spots
from mimic_table import SpotScore, area, markdown, sides_by_head
from mimics import table
from pages import SHIPPED
from spot_scores import scores_at

SPACING = np.array([0.5, 0.5, 2.0])


def _spot(kind: str, score: float, **changes: object) -> SpotScore:
    facts: dict[str, object] = {
        "head": 1,
        "scan": "sub-001",
        "input": "swi+phase",
        "kind": kind,
        "body": -1,
        "x_mm": 0.0,
        "y_mm": 0.0,
        "z_mm": 0.0,
        "diameter_mm": 3.0,
        "contrast": 5.0,
        "visible": True,
        "score": score,
    }
    return SpotScore(**{**facts, **changes})  # type: ignore[arg-type]


def test_the_area_counts_pairs_and_halves_ties() -> None:
    bleeds = [_spot("microbleed", s) for s in (0.9, 0.5)]
    mimics = [_spot("phase-singularity", s) for s in (0.5, 0.1)]
    sides = sides_by_head([*bleeds, *mimics], "phase-singularity", "swi+phase")

    assert area([sides]).value == pytest.approx((2 + 1.5) / 4)


def test_a_twin_counts_only_where_its_bleed_is_visible() -> None:
    spots = [
        _spot("microbleed", 0.9, body=1),
        _spot("microbleed", 0.2, body=2, visible=False),
        _spot("microbleed", 0.8),  # of another scan: no twin
        _spot("calcification", 0.1, body=1, visible=False),
        _spot("calcification", 0.99, body=2),
    ]
    sides = sides_by_head(spots, "calcification", "swi+phase")[0]

    assert sides.bleeds.tolist() == [0.9]
    assert sides.mimics.tolist() == [0.1]


def test_matched_spots_have_a_bleeds_size_and_darkness() -> None:
    spots = [
        _spot("microbleed", 0.9, diameter_mm=3.0, contrast=5.0),
        _spot("microbleed", 0.8, diameter_mm=8.0),
        _spot("vessel", 0.1, diameter_mm=3.2, contrast=5.5),
        _spot("vessel", 0.2, diameter_mm=3.0, contrast=9.0),
        _spot("vessel", 0.3, diameter_mm=float("nan")),
    ]
    sides = sides_by_head(spots, "vessel", "swi+phase")[0]

    assert sides.bleeds.tolist() == [0.9]
    assert sides.mimics.tolist() == [0.1]


def test_heads_are_drawn_whole() -> None:
    spots = [_spot("microbleed", 0.9, head=h) for h in range(4)]
    spots += [_spot("phase-singularity", 0.1 if h else 0.95, head=h) for h in range(4)]
    interval = area([sides_by_head(spots, "phase-singularity", "swi+phase")])

    assert interval.value == 0.75
    assert interval.low is not None
    assert interval.low < 0.75


def test_the_table_has_a_row_for_each_kind_and_a_column_for_each_input() -> None:
    spots = [_spot(kind, score) for kind, score in (("microbleed", 0.9), ("vessel", 0.2))]
    lines = markdown({"a": [spots]})
    table = [line for line in lines if line.startswith("|")]

    assert len(table) == 2 + 5
    assert all(line.count("|") == 5 for line in table)
    assert any("1.000" in line and "vein" in line for line in table)


def test_shipped_weights_of_two_versions_make_no_mean(tmp_path: Path) -> None:
    for version in ("v", "w"):
        content = {"name": SHIPPED, "weights": version, "spots": []}
        (tmp_path / f"{version}.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match="holds shipped weights of v, w"):
        table(tmp_path, tmp_path / "page.md")


def test_spots_come_back_as_they_were_written(tmp_path: Path) -> None:
    spots = [
        Spot("microbleed", 3, 1.0, -2.5, 3.25, 2.75, 6.5, True),
        Spot("vessel", -1, 0.0, 0.0, 0.0, float("nan"), 0.0, False),
    ]
    write_spots(tmp_path / "s.tsv", spots)
    back = read_spots(tmp_path / "s.tsv")

    assert back[0] == spots[0]
    assert np.isnan(back[1].diameter_mm)
    assert not back[1].visible


def test_a_twin_differs_in_its_sign_alone() -> None:
    body = Inclusion("microbleed", "microbleed", np.zeros((1, 3)), np.array([1.0]), 0.8, 0.3)
    twin = calcified(body)

    assert twin.susceptibility_ppm == -0.8
    assert (twin.kind, twin.scored, twin.residual_signal) == ("calcification", "mimic", 0.3)
    assert twin.centres_mm is body.centres_mm


def test_a_line_runs_on_and_a_ball_does_not() -> None:
    rng = np.random.default_rng(0)
    swi = (1 + 0.01 * rng.standard_normal((80, 80, 20))).astype(np.float32)
    swi[20:24, 20:24, 9:11] = 0.2
    swi[60:63, :, 9:11] = 0.2

    assert not runs_on(swi, np.array([21, 21, 10]), SPACING)
    assert runs_on(swi, np.array([61, 40, 10]), SPACING)


def test_the_score_of_a_spot_is_the_largest_near_it() -> None:
    torch.manual_seed(0)
    model, compute = Detector(DetectorConfig()).eval(), Compute(torch.device("cpu"), torch.float32)
    shape = (96, 96, 24)
    image = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    prepared = Prepared(image, np.ones(shape, dtype=bool), Grid(shape, np.diag([*SPACING, 1.0])), True)
    logit, _ = score_map(prepared.masked(), model, DetectSettings(), compute)
    cell = np.array([6, 7, 5])
    place = prepared.grid.to_mm(cell_to_voxel(cell, model.config))
    around = logit[5:8, 6:9, 4:7]  # cells are 2 mm apart: 3 mm reach all neighbours but the corners
    corners = np.abs(np.indices((3, 3, 3)) - 1).sum(axis=0) == 3
    expected = float(torch.sigmoid(torch.tensor(around[~corners].max())))

    assert scores_at([place], prepared, model, compute)[0] == pytest.approx(expected, abs=1e-6)


def test_the_second_stage_has_its_say_at_a_spot_however_low_the_first_is() -> None:
    torch.manual_seed(0)
    second = RefinementConfig(patch=(8, 8, 3), widths=(4, 6), pools=((2, 2, 1), (2, 2, 2)), hidden=5)
    model, compute = (
        Detector(DetectorConfig(refinement=second)).eval(),
        Compute(torch.device("cpu"), torch.float32),
    )
    shape = (48, 48, 12)
    image = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    prepared = Prepared(image, np.ones(shape, dtype=bool), Grid(shape, np.diag([*SPACING, 1.0])), True)
    logit, offset = score_map(prepared.masked(), model, DetectSettings(), compute)
    surest = np.array(np.unravel_index(np.argmax(logit), logit.shape))
    place = prepared.grid.to_mm(cell_to_voxel(surest, model.config))
    centre = cell_to_voxel(surest + offset[(slice(None), *surest)], model.config)
    fast = for_inference(model, compute.device, compute.dtype)
    (said,) = refinement_logits(prepared.masked(), centre[None], fast, compute)
    expected = float(torch.sigmoid(torch.tensor(float(logit.max()) + said)))
    far = prepared.grid.to_mm(np.array([500.0, 0, 0]))

    assert scores_at([far, place], prepared, model, compute) == [0.0, pytest.approx(expected, abs=1e-6)]
    assert logit.max() < REFINED_FROM_LOGIT, "a search would not have asked"
    assert scores_at([far], prepared, model, compute) == [0.0]
