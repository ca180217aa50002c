"""The second stage in a search: what it is asked of, and what its answer does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from microbleeds import detect as detecting
from microbleeds.compute import Compute
from microbleeds.detect import DetectSettings, detect
from microbleeds.look_again import Change, look_again
from microbleeds.networks.config import DetectorConfig, RefinementConfig
from microbleeds.networks.detector import Detector, Proposals, for_inference
from microbleeds.networks.refinement import Refinement
from microbleeds.refine import AT_ONCE, patches_around, refinement_logits
from test_detect import CONFIG, CPU, Planted, planted

SMALL = RefinementConfig(patch=(8, 8, 3), widths=(4, 6), pools=((2, 2, 1), (2, 2, 2)), hidden=5)


class Told(Refinement):
    """Says what stands in the second channel, a little before the middle of its patch along i."""

    def __init__(self, ahead: int = 0) -> None:
        super().__init__(2, SMALL)
        self.ahead = ahead

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        return patches[:, 1, 4 - self.ahead, 4, 1].float()


class TwoStages(Planted):
    """A :class:`Planted` first stage without offsets and a second stage."""

    def __init__(self, second: Refinement) -> None:
        super().__init__()
        self.refinement = second

    def forward(self, image: torch.Tensor) -> Proposals:
        return super().forward(image * torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1, 1))


def scores(found: list) -> list[float]:
    return [round(float(np.log(c.score / (1 - c.score))), 3) for c in found]


class TestPatches:
    def test_the_middle_of_a_patch_is_the_candidate(self) -> None:
        image = np.arange(2 * 20 * 18 * 7, dtype=np.float32).reshape(2, 20, 18, 7)
        (patch,) = patches_around(image, np.array([[10.4, 9.0, 3.2]]), (7, 5, 3))
        assert np.array_equal(patch, image[:, 7:14, 7:12, 2:5])
        (even,) = patches_around(image, np.array([[10.4, 9.6, 3.0]]), (8, 4, 3))
        assert np.array_equal(even, image[:, 7:15, 8:12, 2:5]), "the four middle voxels hold it"

    def test_outside_of_the_image_is_zero(self) -> None:
        image = np.ones((2, 6, 6, 4), dtype=np.float32)
        corner, beyond = patches_around(image, np.array([[0.0, 0, 0], [30, 0, 0]]), (5, 5, 3))
        assert corner.sum() == 2 * 3 * 3 * 2
        assert not corner[:, :2].any()
        assert not beyond.any()


class TestLogits:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_mean_over_the_patch_and_its_mirror_images(self, dtype: torch.dtype) -> None:
        torch.manual_seed(0)
        model = Detector(CONFIG.model_copy(update={"refinement": SMALL}))
        assert model.refinement is not None
        for _ in range(3):
            model.refinement(torch.randn(6, 2, *SMALL.patch))
        compute = Compute(torch.device("cpu"), dtype)
        fast = for_inference(model, compute.device, compute.dtype)
        image = np.random.default_rng(0).normal(size=(2, 40, 30, 9)).astype(np.float32)
        voxels = np.random.default_rng(1).uniform(0, 1, (AT_ONCE + 3, 3)) * [39, 29, 8]
        patches = torch.from_numpy(patches_around(image, voxels, SMALL.patch))
        views = [patches] + [patches.flip(axis) for axis in (2, 3, 4)]
        with torch.inference_mode():
            expected = torch.stack([model.eval().refinement(view) for view in views]).mean(0)
        found = refinement_logits(image, voxels, fast, compute)
        assert found == pytest.approx(expected.numpy(), abs=1e-4 if dtype == torch.float32 else 0.05)

    def test_of_no_candidate_and_of_no_second_stage(self) -> None:
        image, none = np.zeros((2, 8, 8, 4), dtype=np.float32), np.zeros((0, 3))
        assert refinement_logits(image, none, TwoStages(Told()), CPU).shape == (0,)
        with pytest.raises(ValueError, match="no second stage"):
            refinement_logits(image, none, Planted(), CPU)

    def test_an_answer_that_is_not_finite_is_no_answer(self) -> None:
        image = np.full((2, 46, 40, 10), np.nan, dtype=np.float32)
        with pytest.raises(FloatingPointError, match="not finite"):
            refinement_logits(image, np.array([[20.0, 20, 5]]), TwoStages(Told()), CPU)


class TestSearch:
    def test_its_logit_is_added(self) -> None:
        scan = planted({(3, 4, 5): (2.0, -1.5), (8, 4, 5): (0.5, 3.0)})
        assert scores(detect(scan, Planted(), DetectSettings(), CPU)) == [2.0, 0.5]
        found = detect(scan, TwoStages(Told()), DetectSettings(), CPU)
        assert scores(found) == [3.5, 0.5], "the order is that of both together"
        assert found[0].position_ras_mm[0] == pytest.approx(10 + 16.75)

    def test_what_the_first_stage_does_not_believe_in_at_all_is_not_asked(self) -> None:
        lowest = detecting.REFINED_FROM_LOGIT
        scan = planted({(3, 4, 5): (lowest - 0.1, 8.0), (8, 4, 5): (lowest + 0.1, 8.0)})
        (found,) = detect(scan, TwoStages(Told()), DetectSettings(), CPU)
        assert scores([found]) == pytest.approx([lowest + 8.1], abs=0.01)

    def test_of_neighbours_one_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        def watched(image: np.ndarray, voxels: np.ndarray, *more: object) -> np.ndarray:
            asked.append(voxels)
            return refinement_logits(image, voxels, *more)  # type: ignore[arg-type]

        monkeypatch.setattr(detecting, "refinement_logits", watched)
        # Both are peaks, 4 mm apart; the second stage would like the weaker one better.
        scan = planted({(3, 4, 5): (2.0, 0.0), (5, 4, 5): (1.0, 9.0)})
        (found,) = detect(scan, TwoStages(Told()), DetectSettings(separation_mm=4.5), CPU)
        assert scores([found]) == [2.0]
        assert [len(voxels) for voxels in asked] == [1]

    def test_nothing_above_the_cut_gives_nothing(self) -> None:
        assert detect(planted({}), TwoStages(Told()), DetectSettings(), CPU) == []

    def test_outside_of_the_brain_it_sees_nothing(self) -> None:
        scan = planted({(3, 4, 5): (2.0, 3.0)})
        brain = scan.brain.copy()
        brain[13:] = False  # both middle voxels of the patch are outside; the first of the cell is not
        assert scores(detect(replace(scan, brain=brain), TwoStages(Told()), DetectSettings(), CPU)) == [2.0]


class TestSecondLook:
    def test_an_unchanged_window_says_what_the_search_said(self) -> None:
        torch.manual_seed(0)
        model = Detector(CONFIG.model_copy(update={"refinement": SMALL})).eval()
        model.head.classes.bias.data.fill_(0.0)
        assert model.refinement is not None
        model.refinement.judge[-1].weight.data.mul_(30)
        generator = np.random.default_rng(0)
        scan = planted({})
        scan = replace(scan, image=generator.normal(size=scan.image.shape).astype(np.float32))
        settings = DetectSettings(floor=0.0)
        found = detect(scan, model, settings, CPU)[:6]
        first = detect(scan, Detector.eval(_first_stage(model)), settings, CPU)
        assert not {c.score for c in found} & {c.score for c in first}, "the second stage counts"
        looked = look_again(scan, model, found, [True] * 6, settings, CPU, changes=[Change()])
        assert [c.score_range[1] - c.score_range[0] for c in looked] == pytest.approx([0] * 6, abs=1e-3)

    def test_a_second_stage_that_goes_by_side_is_found_out_by_a_flip(self) -> None:
        scan = planted({(5, 4, 5): (2.0, 0.0)})
        image = scan.image.copy()
        image[1, 20, 17, 5] = 4.0  # two voxels before the middle of the patch, which is voxel 22
        flip = [Change(flipped=(0,))]
        (found,) = detect(replace(scan, image=image), TwoStages(Told(ahead=2)), DetectSettings(), CPU)
        asked = (replace(scan, image=image), TwoStages(Told(ahead=2)), [found], [True], DetectSettings(), CPU)
        (looked,) = look_again(*asked, changes=flip)
        assert looked.score_range is not None
        low, high = looked.score_range
        assert low < high


def _first_stage(model: Detector) -> Detector:
    """A detector without its second stage."""
    config: DetectorConfig = model.config.first_stage
    first = Detector(config)
    first.load_state_dict({n: v for n, v in model.state_dict().items() if not n.startswith("refinement.")})
    return first
