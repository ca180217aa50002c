"""A whole simulated data set, on a coarse protocol that takes seconds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from microbleeds.errors import InputError
from microbleeds.simulate.cohort import CohortSettings, simulate_cohort
from microbleeds.simulate.protocol import Protocol

pytestmark = pytest.mark.slow


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows(path: Path) -> list[dict[str, str]]:
    header, *lines = path.read_text().splitlines()
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


class TestDataSet:
    def test_it_holds_images_sidecars_and_truth(self, coarse_data: Path, coarse_protocol: Protocol) -> None:
        anat = coarse_data / "sub-002" / "anat"
        shapes = {nib.load(p).shape for p in anat.glob("*.nii.gz")}
        assert shapes == {coarse_protocol.matrix}
        assert len(list(anat.glob("*.nii.gz"))) == len(list(anat.glob("*.json"))) == 4
        facts = json.loads((anat / "sub-002_swi.json").read_text())
        assert facts["MagneticFieldStrength"] == 3.0
        assert facts["EchoTime"] == 0.02
        truth = coarse_data / "derivatives" / "truth" / "sub-002" / "anat"
        assert len(list(truth.iterdir())) == 6
        assert (coarse_data / "README").read_text().startswith("Simulated")

    def test_microbleeds_lie_in_the_brain_and_the_region_they_name(self, coarse_data: Path) -> None:
        truth = coarse_data / "derivatives" / "truth"
        seen = 0
        for subject in ("sub-001", "sub-002"):
            anat = truth / subject / "anat"
            brain = nib.load(anat / f"{subject}_desc-brain_mask.nii.gz")
            for row in rows(anat / f"{subject}_microbleeds.tsv"):
                position = [float(row[f"{axis}_mm"]) for axis in "xyz"]
                ijk = np.round(nib.affines.apply_affine(np.linalg.inv(brain.affine), position)).astype(int)
                assert np.asarray(brain.dataobj)[tuple(ijk)] == 1
                assert row["group"] in ("lobar", "deep", "infratentorial")
                assert float(row["susceptibility_ppm"]) > 0
                seen += 1
        assert seen > 0

    def test_calcifications_are_diamagnetic_mimics(self, coarse_data: Path) -> None:
        truth = coarse_data / "derivatives" / "truth"
        mimics = [row for path in truth.rglob("*_mimics.tsv") for row in rows(path)]
        calcifications = [row for row in mimics if row["kind"] == "calcification"]
        assert calcifications
        assert all(float(row["susceptibility_ppm"]) < 0 and row["scored"] == "mimic" for row in calcifications)

    def test_the_swi_is_darker_at_a_visible_microbleed(self, coarse_data: Path) -> None:
        darker = []
        for subject in ("sub-001", "sub-002"):
            image = nib.load(coarse_data / subject / "anat" / f"{subject}_swi.nii.gz")
            swi = np.asarray(image.dataobj).astype(float)
            anat = coarse_data / "derivatives" / "truth" / subject / "anat"
            brain = np.asarray(nib.load(anat / f"{subject}_desc-brain_mask.nii.gz").dataobj) > 0
            for row in rows(anat / f"{subject}_microbleeds.tsv"):
                if row["visible"] == "1":
                    position = [float(row[f"{axis}_mm"]) for axis in "xyz"]
                    ijk = nib.affines.apply_affine(np.linalg.inv(image.affine), position)
                    darker.append(swi[tuple(np.round(ijk).astype(int))] < np.median(swi[brain]))
        assert darker
        assert np.mean(darker) > 0.9

    def test_the_same_seed_gives_the_same_bytes(self, coarse_data: Path, tmp_path: Path) -> None:
        again = tmp_path / "again"
        settings = CohortSettings("coarse", "mixed", "rich", 2)
        simulate_cohort(again, subjects=2, seed=3, settings=settings, device="cpu")
        assert digests(again) == digests(coarse_data)

    def test_participants_are_listed(self, coarse_data: Path) -> None:
        listed = rows(coarse_data / "participants.tsv")
        assert [row["participant_id"] for row in listed] == ["sub-001", "sub-002"]
        assert {row["head"] for row in listed} == {"1"}


class TestRefusals:
    @pytest.mark.parametrize(
        ("settings", "subjects", "words"),
        [
            (CohortSettings("7t"), 1, "no protocol called '7t'"),
            (CohortSettings("mixed", profile="round"), 1, "no profile called 'round'"),
            (CohortSettings("mixed", burden="rihc"), 1, "no burden called 'rihc'"),
            (CohortSettings("mixed"), 0, "at least 1"),
        ],
    )
    def test_a_wrong_option_is_one_sentence_and_writes_nothing(
        self, tmp_path: Path, settings: CohortSettings, subjects: int, words: str
    ) -> None:
        with pytest.raises(InputError, match=words):
            simulate_cohort(tmp_path / "out", subjects=subjects, seed=0, settings=settings)
        assert not (tmp_path / "out").exists()

    def test_a_folder_with_content_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_text("keep")
        with pytest.raises(InputError, match="not empty"):
            simulate_cohort(tmp_path, subjects=1, seed=0, settings=CohortSettings("mixed"))
        assert (tmp_path / "mine.txt").read_text() == "keep"
