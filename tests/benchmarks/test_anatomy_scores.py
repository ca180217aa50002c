"""The benchmark of the segmentation: figures worked by hand, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from anatomy import card, removal
from anatomy_scans import LazyItem, list_of
from anatomy_scores import Outcome, by_protocol, markdown, outcome_of, summary
from cohort import cohort_named
from microbleeds.compute import Compute
from microbleeds.errors import InputError

NAN = float("nan")


def _outcome(head: str, lobar: float, bleeds: list[tuple[bool, bool, bool, bool]]) -> Outcome:
    dice = {"brain": 0.9, "lobar": lobar, "deep": 0.5, "infratentorial": 0.8}
    return Outcome(f"sub-{lobar}", head, True, dice, bleeds, 2.0)


class TestSummary:
    def test_dice_is_the_mean_over_scans_and_absent_groups_are_left_out(self) -> None:
        found = summary([_outcome("a", 0.9, []), _outcome("a", 0.7, []), _outcome("b", NAN, [])])
        assert found["dice_lobar"]["value"] == pytest.approx(0.8)
        assert (found["scans"], found["heads"], found["confident"]) == (3, 2, 3)

    def test_places_count_visible_bleeds_and_all_of_them(self) -> None:
        found = summary(
            [
                _outcome(
                    "a", 0.9, [(True, True, True, True), (True, True, False, True), (False, False, False, False)]
                ),
                _outcome("b", 0.9, [(True, False, False, False), (True, True, True, True)]),
            ]
        )
        assert (found["bleeds_visible"], found["bleeds_all"]) == (4, 5)
        assert found["right_group_visible"]["value"] == pytest.approx(3 / 4)
        assert found["right_group_all"]["value"] == pytest.approx(3 / 5)
        assert found["right_region_visible"]["value"] == pytest.approx(2 / 4)

    def test_intervals_are_over_heads(self) -> None:
        one_head = summary([_outcome("a", 0.9, []), _outcome("a", 0.1, [])])["dice_lobar"]
        two_heads = summary([_outcome("a", 0.9, []), _outcome("b", 0.1, [])])["dice_lobar"]
        assert one_head["low"] in (None, pytest.approx(0.5))
        assert (two_heads["low"], two_heads["high"]) == (pytest.approx(0.1), pytest.approx(0.9))

    def test_the_table_shows_them(self) -> None:
        outcomes = [
            replace(_outcome("a", 0.9, [(True, True, True, True)]), protocol="3t"),
            replace(_outcome("b", 0.7, []), protocol="1.5t"),
        ]
        content = {
            "scores": {"swi": summary(outcomes)},
            "swi_by_protocol": by_protocol(outcomes),
            "cohort": "mixed",
            "notice": "Simulated.",
            "peak_memory_mb": 1400,
            "hardware": {"processor": "P"},
            "compute": "cpu",
            "model": "anatomy-1",
            "model_sha256": "0123456789abcdef",
            "commit": "c",
            "date": "2026-01-01T00:00:00",
            "command": "python benchmarks/anatomy.py score mixed",
        }
        text = "\n".join(markdown(content))
        assert "0.800 (0.700 to 0.900)" in text
        assert "| 1.5t | 1 | 0.700 | 0.500 | 0.800 | n/a |" in text
        assert "2 simulated scans of 2 heads never used in training, 1 visible microbleeds (1 in all)" in text


def test_a_half_built_cohort_is_refused(tmp_path: Path) -> None:
    part = cohort_named("mixed").parts[0].name
    (tmp_path / part / "sub-001" / "anat").mkdir(parents=True)
    (tmp_path / part / "sub-001" / "anat" / "sub-001_swi.nii.gz").touch()
    table = tmp_path / part / "derivatives" / "truth" / "sub-001" / "anat" / "sub-001_microbleeds.tsv"
    table.parent.mkdir(parents=True)
    table.write_text("x_mm\ty_mm\tz_mm\n")
    with pytest.raises(InputError, match=r"holds 1 of \d+ scans"):
        list_of(cohort_named("mixed"), tmp_path, "swi")


@pytest.mark.parametrize("verb", [card, removal])
def test_what_chooses_is_kept_off_test_cohorts(verb, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cohort mixed is for tests"):
        verb("mixed", data=tmp_path, **({"found": tmp_path} if verb is removal else {}))


class TestScan:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        anat, truth = tmp_path / "sub-1" / "anat", tmp_path / "derivatives" / "truth" / "sub-1" / "anat"
        anat.mkdir(parents=True)
        truth.mkdir(parents=True)
        affine = np.diag([1.0, 1.0, 2.0, 1.0])
        image = np.random.default_rng(0).uniform(1, 2, (24, 24, 12)).astype(np.float32)
        mask = np.zeros(image.shape, dtype=np.uint8)
        mask[6:18, 6:18, 3:9] = 1
        nib.save(nib.Nifti1Image(image, affine), anat / "sub-1_swi.nii.gz")
        nib.save(nib.Nifti1Image(mask, affine), truth / "sub-1_desc-brain_mask.nii.gz")
        nib.save(nib.Nifti1Image(mask * 10, affine), truth / "sub-1_dseg.nii.gz")
        (truth / "sub-1_microbleeds.tsv").write_text(
            "x_mm\ty_mm\tz_mm\tgroup\tregion\tside\tvisible\n12\t12\t12\tlobar\tfrontal_cortex\tleft\t1\n"
        )
        return tmp_path

    def test_brain_extracted_is_dark_outside_of_the_true_brain(self, folder: Path) -> None:
        item = LazyItem(folder, "sub-1", "head", "brain-extracted", "3t").read()
        outside = item.regions == 0
        assert item.scan.swi[outside].max() == 0
        assert item.scan.swi[~outside].min() >= 1
        assert item.visible == [True]

    def test_where_no_brain_is_found_every_bleed_is_wrong(self, folder: Path, monkeypatch) -> None:
        def refuse(*_: object) -> None:
            raise InputError("No brain was found in the image.")

        monkeypatch.setattr("anatomy_scores.segment", refuse)
        outcome = outcome_of(LazyItem(folder, "sub-1", "head", "swi", "3t"), None, None, Compute.__new__(Compute))  # type: ignore[arg-type]
        assert outcome.bleeds == [(True, False, False, False)]
        assert (outcome.confident, outcome.dice["lobar"]) == (False, 0.0)
