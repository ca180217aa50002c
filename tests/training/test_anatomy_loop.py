"""The anatomy network's loss against values worked by hand, and its training loop: resumable, and it learns."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Generator
from toy_anatomy import toy_anatomy

from microbleeds.errors import InputError
from microbleeds.networks.anatomy import AnatomyClass, AnatomyOutput
from microbleeds.training.anatomy import loop
from microbleeds.training.anatomy.loop import AnatomyTraining, load_heads, train_network
from microbleeds.training.anatomy.loss import EMPTY, SIDE_WEIGHT, anatomy_loss, soft_dice
from microbleeds.training.anatomy.release import train_anatomy
from microbleeds.training.anatomy.sample import Head, Sample, draw_sample, prepare_head
from microbleeds.training.anatomy.view import IGNORED


@pytest.fixture(scope="module")
def head() -> Head:
    return prepare_head(toy_anatomy())


class TestLoss:
    def test_dice_by_hand(self) -> None:
        target = torch.tensor([[[0, 1]]])
        probabilities = torch.tensor([[0.8, 0.4], [0.2, 0.6]])[:, None, None]
        dice = [
            (2 * 0.8 + EMPTY) / (0.8**2 + 0.4**2 + 1 + EMPTY),
            (2 * 0.6 + EMPTY) / (0.2**2 + 0.6**2 + 1 + EMPTY),
        ]
        loss = soft_dice(probabilities, target, torch.ones(1, 1, 2))
        assert loss.item() == pytest.approx(1 - sum(dice) / 2, abs=1e-6)

    def test_unseen_voxels_do_not_count(self) -> None:
        target = torch.tensor([[[0, 1]]])
        seen = torch.tensor([[[1.0, 0.0]]])
        one = soft_dice(torch.tensor([[0.8, 0.4], [0.2, 0.6]])[:, None, None], target, seen)
        two = soft_dice(torch.tensor([[0.8, 0.9], [0.2, 0.1]])[:, None, None], target, seen)
        assert one.item() == two.item()

    def test_the_right_answer_costs_nothing(self, head: Head) -> None:
        sample = draw_sample(head, (32, 32, 32), Generator().manual_seed(1))
        target = torch.where(sample.target == IGNORED, 0, sample.target)
        logits = 40.0 * torch.nn.functional.one_hot(target, len(AnatomyClass)).movedim(-1, 0).float()
        right = 40.0 * (2 * sample.right - 1)
        parts = anatomy_loss(AnatomyOutput(logits[None], right[None, None], sample.position[None]), sample)
        assert sum(part.item() for part in parts.values()) < 1e-3

    def test_side_and_position_count_in_the_brain_only(self) -> None:
        target = torch.zeros(8, 8, 8, dtype=torch.int64)
        target[:4] = AnatomyClass.WHITE
        brain = torch.zeros(2, 2, 2)
        brain[0] = 1
        sample = Sample(torch.zeros(1, 8, 8, 8), target, torch.ones(8, 8, 8), torch.zeros(3, 2, 2, 2), brain)
        position = torch.zeros(1, 3, 2, 2, 2)
        position[:, :, 0] = 0.5
        position[:, :, 1] = 9.0
        output = AnatomyOutput(torch.zeros(1, 12, 8, 8, 8), torch.zeros(1, 1, 8, 8, 8), position)
        parts = anatomy_loss(output, sample)
        assert parts["position"].item() == pytest.approx(0.5)
        assert parts["side"].item() == pytest.approx(SIDE_WEIGHT * 0.6931, abs=1e-4)
        assert parts["entropy"].item() == pytest.approx(2.4849, abs=1e-4)  # ln 12


class TestLoop:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loop, "WINDOWS", (((32, 32, 32), 1.0),))
        monkeypatch.setattr(loop, "CHECKPOINT_STEPS", 2)

    def test_a_killed_training_goes_on_where_it_was(
        self, head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = AnatomyTraining(steps=4, bfloat16=False)
        whole = train_network([head], tmp_path / "whole", settings)
        draw = loop._example

        def killed(heads: list[Head], step: int, settings: AnatomyTraining) -> Sample:
            if step == 3:
                raise KeyboardInterrupt
            return draw(heads, step, settings)

        monkeypatch.setattr(loop, "_example", killed)
        with pytest.raises(KeyboardInterrupt):
            train_network([head], tmp_path / "cut", settings)
        monkeypatch.setattr(loop, "_example", draw)
        resumed = train_network([head], tmp_path / "cut", settings)
        for one, two in zip(whole.parameters(), resumed.parameters(), strict=True):
            torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5)

    def test_a_checkpoint_of_other_settings_is_refused(self, head: Head, tmp_path: Path) -> None:
        train_network([head], tmp_path / "state", AnatomyTraining(steps=2, bfloat16=False))
        with pytest.raises(InputError, match="other settings"):
            train_network([head], tmp_path / "state", AnatomyTraining(steps=3, bfloat16=False))

    def test_the_loss_falls(self, head: Head, tmp_path: Path) -> None:
        reports: list[dict[str, float]] = []
        train_network([head], tmp_path / "state", AnatomyTraining(steps=40, bfloat16=False), reports.append)
        assert [r["step"] for r in reports] == [20, 40]
        assert reports[1]["entropy"] < reports[0]["entropy"]

    def test_too_few_label_maps_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds 0 label maps"):
            train_anatomy(tmp_path, tmp_path / "out")
        with pytest.raises(InputError, match="No label map"):
            load_heads([])
