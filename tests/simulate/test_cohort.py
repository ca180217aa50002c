"""A whole simulated data set, on a coarse protocol that takes seconds."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from microbleeds.errors import InputError
from microbleeds.simulate import cohort, dataset
from microbleeds.simulate.cohort import CohortSettings, scans_of_head, simulate_cohort
from microbleeds.simulate.protocol import Protocol
from microbleeds.simulate.visit_dataset import simulate_visits
from microbleeds.simulate.visits import VisitSettings

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

    def test_the_same_seed_gives_the_same_bytes_also_after_a_kill(self, coarse_data: Path, tmp_path: Path) -> None:
        broken = tmp_path / "broken"
        shutil.copytree(coarse_data, broken)
        (broken / "participants.tsv").unlink()
        (broken / "sub-002" / "anat" / "sub-002_minIP.nii.gz").unlink()
        (broken / "sub-002" / "anat" / ".partial-x.json").write_text("{")
        (broken / ".partial-y.tsv").write_text("")
        settings = CohortSettings("coarse", "mixed", "rich", 2)
        simulate_cohort(broken, subjects=2, seed=3, settings=settings, device="cpu", resume=True)
        assert digests(broken) == digests(coarse_data)

    def test_participants_are_listed(self, coarse_data: Path) -> None:
        listed = rows(coarse_data / "participants.tsv")
        assert [row["participant_id"] for row in listed] == ["sub-001", "sub-002"]
        assert {row["head"] for row in listed} == {"1"}


class TestBrokenOff:
    """Five scans of three heads; what writes a scan is a stand-in."""

    SETTINGS = CohortSettings("mixed", scans_per_head=2)
    HEADS = ("1", "1", "2", "2", "3")

    @pytest.fixture(autouse=True)
    def written(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Names of the scans that were written."""
        names: list[str] = []

        def write(out: Path, name: str, scan: int) -> None:
            for part in (out, out / "derivatives" / "truth"):
                (part / name).mkdir(parents=True)  # fails where half a scan was left
                (part / name / "scan.txt").write_text(str(scan))
            names.append(name)

        monkeypatch.setattr(
            cohort, "scans_of_head", lambda head, count, *_: iter(range(10 * head, 10 * head + count))
        )
        monkeypatch.setattr(cohort, "write_scan", write)
        monkeypatch.setattr(
            cohort,
            "participant_row",
            lambda name, scan, head: {"participant_id": name, "head": head, "scan": scan},
        )
        return names

    def simulate(self, out: Path | str, *, stop_after: int = 99, **more: object) -> None:
        def progress(done: int, total: int) -> None:
            if done >= stop_after:
                raise KeyboardInterrupt

        asked = {"subjects": 5, "seed": 1, "settings": self.SETTINGS, "progress": progress} | more
        simulate_cohort(out, **asked)  # type: ignore[arg-type]

    def test_heads_are_named_as_soon_as_they_are_whole(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt):
            self.simulate(tmp_path / "out", stop_after=2)
        assert [row["head"] for row in rows(tmp_path / "out" / "participants.tsv")] == ["1", "1"]

    @pytest.mark.parametrize("stop_after", [2, 4, 5])
    def test_it_goes_on_as_if_it_had_not_been(self, tmp_path: Path, written: list[str], stop_after: int) -> None:
        whole, broken = tmp_path / "whole", tmp_path / "broken"
        self.simulate(whole)
        assert [row["head"] for row in rows(whole / "participants.tsv")] == list(self.HEADS)
        written.clear()
        with pytest.raises(KeyboardInterrupt):
            self.simulate(broken, stop_after=stop_after)
        (broken / "derivatives" / "truth" / "sub-005").mkdir(exist_ok=True)
        self.simulate(broken, resume=True)
        assert sorted(written) == [f"sub-{number:03d}" for number in range(1, 6)], "nothing is written twice"
        assert digests(broken) == digests(whole)

    def test_resume_begins_where_nothing_is(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        self.simulate("out", resume=True)
        assert len(rows(tmp_path / "out" / "participants.tsv")) == 5

    @pytest.mark.parametrize(
        "other",
        [
            {"seed": 2},
            {"subjects": 6},
            {"settings": CohortSettings("mixed", scans_per_head=1)},
            {"anatomies": "head.nii.gz"},
        ],
    )
    def test_another_call_is_refused(self, tmp_path: Path, written: list[str], other: dict[str, object]) -> None:
        self.simulate(tmp_path / "out")
        before = digests(tmp_path / "out")
        with pytest.raises(InputError, match="other settings or another seed"):
            self.simulate(tmp_path / "out", resume=True, **other)
        assert digests(tmp_path / "out") == before

    def test_another_version_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.simulate(tmp_path / "out")
        monkeypatch.setattr(dataset, "__version__", "99")
        with pytest.raises(InputError, match=r"begun by version .* \(99\)"):
            self.simulate(tmp_path / "out", resume=True)


def test_dense_scans_hold_dozens_and_calcifications_to_match(coarse_protocol: Protocol) -> None:
    scans = list(scans_of_head(0, 2, 3, CohortSettings(coarse_protocol.name, burden="dense")))
    for scan in scans:  # none is without, and some find no room
        assert 20 <= len(scan.microbleeds) <= 60
    calcified = [sum(body.kind == "calcification" for body in scan.mimics) for scan in scans]
    assert sum(calcified) > 10


class TestRefusals:
    @pytest.mark.parametrize(
        ("settings", "subjects", "words"),
        [
            (CohortSettings("7t"), 1, "no protocol called '7t'"),
            (CohortSettings("mixed", profile="round"), 1, "no profile called 'round'"),
            (CohortSettings("mixed", burden="rihc"), 1, "no burden called 'rihc'"),
            (CohortSettings("mixed"), 0, "number of subjects .* at least 1"),
            (CohortSettings("mixed"), 1.5, "number of subjects .* at least 1"),
        ],
    )
    def test_a_wrong_option_is_one_sentence_and_writes_nothing(
        self, tmp_path: Path, settings: CohortSettings, subjects: int, words: str
    ) -> None:
        with pytest.raises(InputError, match=words):
            simulate_cohort(tmp_path / "out", subjects=subjects, seed=0, settings=settings)
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"seed": -1}, "seed must be a whole number of at least 0"),
            ({"jobs": 0}, "number of jobs"),
            ({"device": "cpu:x"}, "device 'cpu:x' is not available"),
        ],
    )
    def test_a_wrong_number_or_device_likewise(self, tmp_path: Path, wrong: dict, words: str) -> None:
        asked = {"seed": 0} | wrong
        with pytest.raises(InputError, match=words):
            simulate_cohort(tmp_path / "out", subjects=1, settings=CohortSettings("mixed"), **asked)
        with pytest.raises(InputError, match=words):
            simulate_visits(tmp_path / "out", heads=1, settings=VisitSettings("mixed"), **asked)
        assert not (tmp_path / "out").exists()

    def test_no_scan_per_head(self) -> None:
        with pytest.raises(InputError, match="scans per head must be a whole number of at least 1, got 0"):
            CohortSettings("mixed", scans_per_head=0)

    def test_a_folder_with_content_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_text("keep")
        with pytest.raises(InputError, match="not empty"):
            simulate_cohort(tmp_path, subjects=1, seed=0, settings=CohortSettings("mixed"))
        assert (tmp_path / "mine.txt").read_text() == "keep"
