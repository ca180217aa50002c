"""The anatomy network: shapes, gradients, and the tables between regions and its answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from microbleeds.networks.anatomy import (
    IGNORED,
    AnatomyNetwork,
    AnatomyOutput,
    by_cells,
    coordinate_maps,
    region_table,
    targets_of_region,
)
from microbleeds.networks.anatomy_classes import AnatomyClass, Place
from microbleeds.regions import LOBES, REGIONS


@pytest.fixture
def network() -> AnatomyNetwork:
    torch.manual_seed(0)
    return AnatomyNetwork((8, 8, 8, 16, 16), 8)


class TestForward:
    @pytest.mark.parametrize("shape", [(32, 32, 32), (64, 32, 48)])
    def test_output_shapes(self, network: AnatomyNetwork, shape: tuple[int, int, int]) -> None:
        cells = (shape[0] // 2, shape[1] // 2, shape[2])
        with torch.inference_mode():
            output = network(torch.rand(1, 1, *shape))
        assert output.classes.shape == (*cells, 4, len(AnatomyClass))
        assert output.places.shape == (*cells, len(Place))
        assert output.right.shape == cells
        assert output.class_volume().shape == (len(AnatomyClass), *shape)

    def test_every_parameter_gets_a_gradient(self, network: AnatomyNetwork) -> None:
        output = network(torch.rand(1, 1, 64, 64, 32))
        (output.classes.square().sum() + output.right.square().sum() + output.places.square().sum()).backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name

    def test_use_and_training_compute_the_same(self, network: AnatomyNetwork) -> None:
        image = torch.rand(1, 1, 64, 32, 32)
        with torch.inference_mode():
            torch.testing.assert_close(network.train()(image).places, network.eval()(image).places)

    def test_answers_depend_on_far_context(self, network: AnatomyNetwork) -> None:
        image = torch.rand(1, 1, 96, 32, 32)
        changed = image.clone()
        changed[..., :8, :, :] = 0
        with torch.inference_mode():
            difference = (network(image).classes - network(changed).classes)[-1, 8, 16]
        assert difference.abs().max() > 1e-4

    def test_coordinate_maps_are_an_option(self) -> None:
        torch.manual_seed(0)
        network = AnatomyNetwork((8, 8, 8, 8, 8), 8, coordinates=True)
        image = torch.rand(1, 32, 32, 32)
        here = torch.cat([image, coordinate_maps((32, 32, 32), (0, 0, 0), (64, 64, 64))])
        there = torch.cat([image, coordinate_maps((32, 32, 32), (32, 32, 32), (64, 64, 64))])
        with torch.inference_mode():
            assert not torch.equal(network(here[None]).places, network(there[None]).places)


class TestCells:
    def test_voxels_come_back_where_they_were(self) -> None:
        volume = torch.arange(4 * 6 * 3).reshape(4, 6, 3)
        cells = by_cells(volume)
        assert cells.shape == (2, 3, 3, 4)
        assert cells[1, 2, 0].tolist() == [volume[2, 4, 0], volume[2, 5, 0], volume[3, 4, 0], volume[3, 5, 0]]
        output = AnatomyOutput(cells[..., None], torch.zeros(2, 3, 3, 9), torch.zeros(2, 3, 3))
        assert torch.equal(output.class_volume()[0], volume)

    def test_coordinates_run_from_0_to_1(self) -> None:
        maps = coordinate_maps((4, 5, 6), (0, 0, 0), (4, 5, 6))
        assert maps.shape == (3, 4, 5, 6)
        assert maps[0, 0].max() == maps[1, :, 0].max() == maps[2, ..., 0].max() == 0
        assert maps[0, -1].min() == maps[1, :, -1].min() == maps[2, ..., -1].min() == 1
        part = coordinate_maps((2, 5, 6), (2, 0, 0), (4, 5, 6))
        torch.testing.assert_close(part, maps[:, 2:])


class TestTables:
    def test_every_region_can_be_answered_and_is_asked_for(self) -> None:
        table, (classes, places, sides) = region_table(), targets_of_region()
        for code, region in REGIONS.items():
            place = 0 if places[code] == IGNORED else places[code]
            side = 0 if sides[code] == IGNORED else sides[code]
            assert table[classes[code], place, side] == code, region.name

    def test_places_belong_to_cortex_and_white_matter_alone(self) -> None:
        classes, places, _ = targets_of_region()
        for code in REGIONS:
            cerebral = classes[code] in (AnatomyClass.CORTEX, AnatomyClass.WHITE)
            assert (places[code] != IGNORED) == cerebral

    def test_cortex_knows_the_lobes_first(self) -> None:
        assert [place.name.lower() for place in Place][: len(LOBES)] == list(LOBES)
        assert (region_table()[AnatomyClass.CORTEX, : len(LOBES)] > 0).all()
        assert (region_table()[AnatomyClass.CORTEX, len(LOBES) :] == 0).all()

    def test_unknown_codes_are_not_asked_for(self) -> None:
        for table in targets_of_region():
            assert (table[np.array([c for c in range(256) if c not in REGIONS])] == IGNORED).all()
