from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from toy_subjects import toy_preset, toy_subject

from microbleeds.training.batches import FixedSubjects
from microbleeds.training.best import Best
from microbleeds.training.loop import fit
from microbleeds.training.trainer import RunSettings, Trainer


def scores(sensitivity: float, mean: float = 0.5) -> dict[str, float]:
    return {"sensitivity_at_1_fp": sensitivity, "mean_sensitivity": mean}


def weights(value: float) -> dict[str, torch.Tensor]:
    return {"w": torch.tensor(value)}


class TestBest:
    def test_keeps_the_best_and_of_equals_the_last(self) -> None:
        best = Best()
        offered = [(0.5, 0.5), (0.7, 0.5), (0.7, 0.5), (0.7, 0.4), (0.6, 0.9)]
        better = [best.offer(scores(*pair), weights(n), n) for n, pair in enumerate(offered)]
        assert better == [True, True, True, False, False]
        assert best.weights is not None
        assert (best.step, float(best.weights["w"]), best.since) == (2, 2.0, 3)

    def test_weights_are_a_copy(self) -> None:
        best, changing = Best(), weights(1.0)
        best.offer(scores(0.5), changing, 1)
        changing["w"].fill_(2.0)
        assert best.weights is not None
        assert float(best.weights["w"]) == 1.0

    def test_no_microbleed_is_no_judgement(self) -> None:
        best = Best()
        assert not best.offer(scores(math.nan, math.nan), weights(1.0), 1)
        assert (best.since, best.weights) == (0, None)

    def test_restored(self) -> None:
        best, again = Best(), Best()
        best.offer(scores(0.5), weights(1.0), 3)
        best.offer(scores(0.4), weights(1.0), 4)
        again.restore(best.state())
        assert again.state() == best.state()


class TestEarlyStopping:
    @pytest.fixture(autouse=True)
    def judged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Validations by plan: the second, at step 2, is the best."""
        pytest.importorskip("lightning_fabric")
        plan = {1: 0.5, 2: 0.8, 3: 0.7, 4: 0.8, 5: 0.6, 6: 0.9}

        def validate(trainer: Trainer, subjects: object) -> tuple[dict[str, float], bool]:
            trainer.validated_at = trainer.step
            said = scores(plan.get(trainer.step, 0.0), 0.0)
            return said, trainer.best.offer(said, trainer.average.state, trainer.step)

        monkeypatch.setattr(Trainer, "validate", validate)

    def fit(self, out: Path, patience: int) -> str:
        preset = toy_preset(steps=6, validate_every=1, mine_every=0, patience=patience)
        settings = RunSettings(out, "toy", device="cpu", precision="float32", workers=0)
        card = fit(FixedSubjects([toy_subject(0)]), [toy_subject(9)], preset, settings)
        return f"{card.training.steps}: {card.training.notes}"

    def test_ends_after_its_patience_with_the_best(self, tmp_path: Path) -> None:
        notes = self.fit(tmp_path, 3)
        assert notes.startswith("5: average of weights, best at step 4")  # an equal one, but no reason to go on
        assert "ended early at step 5 after 3 validations" in notes
        assert self.fit(tmp_path, 3) == notes, "started again it stays ended"

    def test_off(self, tmp_path: Path) -> None:
        assert self.fit(tmp_path, 0).startswith("6: average of weights, best at step 6")
