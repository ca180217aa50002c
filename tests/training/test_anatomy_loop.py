"""The anatomy network's loss against values worked by hand, and its training loop: resumable, and it learns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Generator
from toy_anatomy import toy_anatomy

from microbleeds.compute import Compute
from microbleeds.errors import InputError
from microbleeds.networks.anatomy import (
    IGNORED,
    MULTIPLE,
    AnatomyNetwork,
    AnatomyOutput,
    by_cells,
    targets_of_region,
)
from microbleeds.networks.anatomy_classes import AnatomyClass, Place
from microbleeds.regions import code_of
from microbleeds.training.anatomy import examples, loop
from microbleeds.training.anatomy.examples import Sources, load_sources
from microbleeds.training.anatomy.loop import AnatomyTraining, train_network
from microbleeds.training.anatomy.loss import EMPTY, PLACE_WEIGHT, SIDE_WEIGHT, anatomy_loss, entropy_and_dice
from microbleeds.training.anatomy.release import train_anatomy
from microbleeds.training.anatomy.sample import Head, Sample, draw_painted, prepare_head
from microbleeds.training.anatomy.scores import draw_example, score_network

pytestmark = pytest.mark.slow

LITTLE = AnatomyTraining(bfloat16=False, channels=(8, 8, 8, 8, 8), last_channels=8, workers=0)


def little(steps: int) -> AnatomyTraining:
    return AnatomyTraining(**{**vars(LITTLE), "steps": steps})


@pytest.fixture(scope="module")
def head() -> Head:
    return prepare_head(toy_anatomy())


class TestLoss:
    def test_entropy_and_dice_by_hand(self) -> None:
        probabilities = torch.tensor([[0.8, 0.2], [0.4, 0.6]])
        dice = [
            (2 * 0.8 + EMPTY) / (0.8**2 + 0.4**2 + 1 + EMPTY),
            (2 * 0.6 + EMPTY) / (0.2**2 + 0.6**2 + 1 + EMPTY),
        ]
        entropy, loss = entropy_and_dice(probabilities.log(), torch.tensor([[0], [1]], dtype=torch.uint8))
        assert loss.item() == pytest.approx(1 - sum(dice) / 2, abs=1e-6)
        assert entropy.item() == pytest.approx(-(math.log(0.8) + math.log(0.6)) / 2, abs=1e-6)

    def test_an_answer_for_several_voxels_costs_what_as_many_answers_do(self) -> None:
        logits = torch.randn(5, 3, generator=Generator().manual_seed(0))
        target = torch.tensor([[0, 1], [2, 2], [IGNORED, 1], [IGNORED, IGNORED], [0, 0]], dtype=torch.uint8)
        once = entropy_and_dice(logits, target)
        each = entropy_and_dice(logits.repeat_interleave(2, 0), target.reshape(-1, 1))
        torch.testing.assert_close(once, each)

    def test_the_right_answer_costs_nothing(self, head: Head) -> None:
        sample = draw_painted(head, (64, 64, 32), Generator().manual_seed(1))
        # A cell answers once for its four voxels: let all four be those of the first.
        blocks = sample.regions[::2, ::2].repeat_interleave(2, 0).repeat_interleave(2, 1)
        classes, places, sides = (torch.from_numpy(t)[by_cells(blocks).long()] for t in targets_of_region())
        output = AnatomyOutput(
            40.0
            * torch.nn.functional.one_hot(torch.where(classes == IGNORED, 0, classes).long(), len(AnatomyClass)),
            40.0
            * torch.nn.functional.one_hot(torch.where(places == IGNORED, 0, places)[..., 0].long(), len(Place)),
            40.0 * (2 * sides[..., 0].float() - 1),
        )
        assert sum(part.item() for part in anatomy_loss(output, blocks).values()) < 1e-3

    def test_only_what_is_asked_counts(self) -> None:
        regions = torch.full((4, 4, 2), IGNORED, dtype=torch.uint8)
        regions[:2, :2] = code_of("frontal_white", "right")
        regions[2:, :2] = code_of("thalamus", "left")
        output = AnatomyOutput(torch.zeros(2, 2, 2, 4, 11), torch.zeros(2, 2, 2, 9), torch.zeros(2, 2, 2))
        parts = anatomy_loss(output, regions)
        assert parts["entropy"].item() == pytest.approx(math.log(11), abs=1e-5)
        assert parts["place_entropy"].item() == pytest.approx(PLACE_WEIGHT * math.log(9), abs=1e-5)
        assert parts["side"].item() == pytest.approx(SIDE_WEIGHT * math.log(2), abs=1e-5)
        output.classes[:, 1:] = 9.0 * torch.arange(11)  # the ignored cells
        output.places[1] = 9.0 * torch.arange(9)  # thalamus knows no place
        other = anatomy_loss(output, regions)
        assert all(other[name].item() == pytest.approx(parts[name].item(), abs=1e-5) for name in parts)

    def test_a_view_without_any_brain_has_a_gradient(self) -> None:
        output = AnatomyOutput(
            torch.zeros(2, 2, 2, 4, 11, requires_grad=True),
            torch.zeros(2, 2, 2, 9, requires_grad=True),
            torch.zeros(2, 2, 2, requires_grad=True),
        )
        for code in (0, IGNORED):
            parts = anatomy_loss(output, torch.full((4, 4, 2), code, dtype=torch.uint8))
            torch.stack(list(parts.values())).sum().backward()
            assert torch.isfinite(output.classes.grad).all()


class TestLoop:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(examples, "WINDOWS", ((64, 64, 32),) * 3)
        monkeypatch.setattr(loop, "CHECKPOINT_STEPS", 2)

    def test_a_killed_training_goes_on_where_it_was(
        self, head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sources, settings = Sources([head]), little(4)
        whole = train_network(sources, tmp_path / "whole", settings)
        draw = loop.stream

        def killed(*arguments: object, **options: object) -> Iterator[Sample]:
            for number, sample in enumerate(draw(*arguments, **options)):  # type: ignore[arg-type]
                if number == 3:
                    raise KeyboardInterrupt
                yield sample

        monkeypatch.setattr(loop, "stream", killed)
        with pytest.raises(KeyboardInterrupt):
            train_network(sources, tmp_path / "cut", settings)
        monkeypatch.setattr(loop, "stream", draw)
        resumed = train_network(sources, tmp_path / "cut", settings)
        for one, two in zip(whole.parameters(), resumed.parameters(), strict=True):
            torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5)

    def test_a_checkpoint_of_other_settings_is_refused(self, head: Head, tmp_path: Path) -> None:
        train_network(Sources([head]), tmp_path / "state", little(2))
        with pytest.raises(InputError, match="other settings"):
            train_network(Sources([head]), tmp_path / "state", little(3))

    def test_the_loss_falls(self, head: Head, tmp_path: Path) -> None:
        reports: list[dict[str, float]] = []
        train_network(Sources([head]), tmp_path / "state", little(60), reports.append)
        assert [r["step"] for r in reports] == [20, 40, 60]
        assert reports[-1]["entropy"] < 0.9 * reports[0]["entropy"]

    def test_too_few_label_maps_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds 0 label maps"):
            train_anatomy(tmp_path, tmp_path / "out")
        with pytest.raises(InputError, match="No label map"):
            load_sources([], None, variants=1, seed=0)


def test_the_network_takes_every_window() -> None:
    assert len(examples.WINDOWS) == len(examples.SHARES[0]) == len(examples.SHARES[1])
    for window in examples.WINDOWS:
        assert all(size % step == 0 for size, step in zip(window, MULTIPLE, strict=True))


class TestScores:
    def test_an_untrained_network_scores_low_and_nothing_breaks(self) -> None:
        torch.manual_seed(0)
        network = AnatomyNetwork((8, 8, 8, 8, 8), 8).eval()
        compute = Compute(torch.device("cpu"), torch.float32)
        scores = score_network(network, [toy_anatomy()], 1, compute, window=(96, 96, 48))
        assert set(scores) >= {"painted_dice_brain", "painted_dice_lobar", "painted_located"}
        assert not scores["painted_dice_lobar"] > 0.8

    def test_examples_can_be_repeated(self) -> None:
        one, two = (draw_example(toy_anatomy(), 1_000_000, (64, 64, 32)) for _ in range(2))
        assert (one.scan.swi == two.scan.swi).all()
        assert (one.regions == two.regions).all()
