"""Visits of one head: what stays, what is new, the pose, the files."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from microbleeds.cli import main
from microbleeds.errors import InputError
from microbleeds.simulate.inclusions import Inclusion
from microbleeds.simulate.pose import moved_body, moved_points, rigid
from microbleeds.simulate.protocol import PROTOCOLS, Protocol, draw_settings
from microbleeds.simulate.visit_dataset import simulate_visits
from microbleeds.simulate.visits import VisitSettings, check_settings, draw_new_count, same_scanner

pytestmark = pytest.mark.slow

SETTINGS = VisitSettings("coarse", profile="natural", burden="some")


def rows(path: Path) -> list[dict[str, str]]:
    header, *lines = path.read_text().splitlines()
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


def place(row: dict[str, str]) -> np.ndarray:
    return np.array([float(row[f"{axis}_mm"]) for axis in "xyz"])


@pytest.fixture(scope="module")
def data(coarse_protocol: Protocol, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One head, two visits, three new microbleeds at the second."""
    out = tmp_path_factory.mktemp("visits") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("microbleeds.simulate.visits.draw_new_count", lambda generator: 3)
        simulate_visits(out, heads=1, seed=4, settings=SETTINGS, device="cpu")
    return out


@pytest.fixture(scope="module")
def truth(data: Path) -> Path:
    return data / "derivatives" / "truth" / "sub-001"


def table(truth: Path, session: str) -> list[dict[str, str]]:
    return rows(truth / session / "anat" / f"sub-001_{session}_microbleeds.tsv")


def pose_of(truth: Path) -> np.ndarray:
    path = truth / "ses-02" / "anat" / "sub-001_ses-02_from-baseline_xfm.json"
    return np.array(json.loads(path.read_text())["matrix"])


class TestDataSet:
    def test_layout(self, data: Path, truth: Path) -> None:
        for session in ("ses-01", "ses-02"):
            anat = data / "sub-001" / session / "anat"
            assert len(list(anat.glob(f"sub-001_{session}_*.nii.gz"))) == len(list(anat.glob("*.json"))) == 4
            assert len(list((truth / session / "anat").iterdir())) == 7
        assert [row["participant_id"] for row in rows(data / "participants.tsv")] == ["sub-001"]
        sessions = rows(data / "sub-001" / "sub-001_sessions.tsv")
        assert [row["session_id"] for row in sessions] == ["ses-01", "ses-02"]
        assert {path.name for path in data.iterdir() if path.name.startswith(".")} == {".bidsignore"}

    def test_old_ones_stay_where_they_are_in_the_head(self, truth: Path) -> None:
        before = {row["lesion"]: row for row in table(truth, "ses-01")}
        after = {row["lesion"]: row for row in table(truth, "ses-02")}
        assert before
        assert before.keys() <= after.keys()
        for lesion, row in before.items():
            np.testing.assert_allclose(moved_points(pose_of(truth), place(row)), place(after[lesion]), atol=0.01)
            grown = float(after[lesion]["radius_mm"]) / float(row["radius_mm"])
            assert 0.999 <= grown <= 1.031

    def test_new_ones_are_told(self, data: Path, truth: Path) -> None:
        before, after = table(truth, "ses-01"), table(truth, "ses-02")
        assert {row["new"] for row in before} == {"0"}
        new = [row for row in after if row["new"] == "1"]
        assert len(new) == 3
        assert len(after) == len(before) + len(new)
        assert {row["lesion"] for row in new}.isdisjoint(row["lesion"] for row in before)
        sessions = rows(data / "sub-001" / "sub-001_sessions.tsv")
        assert [int(row["new"]) for row in sessions] == [0, len(new)]
        assert int(sessions[1]["new_visible"]) == sum(row["visible"] == "1" for row in new)

    def test_mimics_stay_too(self, truth: Path) -> None:
        bodies = []
        for session in ("ses-01", "ses-02"):
            listed = rows(truth / session / "anat" / f"sub-001_{session}_mimics.tsv")
            bodies.append([row for row in listed if row["kind"] != "phase-singularity"])
        assert [row["kind"] for row in bodies[0]] == [row["kind"] for row in bodies[1]]
        for one, two in zip(*bodies, strict=True):
            np.testing.assert_allclose(moved_points(pose_of(truth), place(one)), place(two), atol=0.01)

    def test_the_pose_is_that_of_the_images(self, data: Path, truth: Path) -> None:
        images = [
            nib.load(data / "sub-001" / session / "anat" / f"sub-001_{session}_part-mag_GRE.nii.gz")
            for session in ("ses-01", "ses-02")
        ]
        mask = nib.load(truth / "ses-01" / "anat" / "sub-001_ses-01_desc-brain_mask.nii.gz")
        inside = np.asarray(mask.dataobj) > 0
        first, second = (np.asarray(image.dataobj, dtype=np.float32) for image in images)

        def likeness(map_: np.ndarray) -> float:
            step = np.linalg.inv(images[1].affine) @ map_ @ images[0].affine
            moved = ndimage.affine_transform(second, step[:3, :3], step[:3, 3], output_shape=first.shape, order=1)
            return float(np.corrcoef(first[inside], moved[inside])[0, 1])

        # Coil profile, noise and slices of 4 mm differ, so even the true pose gives no 1.
        assert likeness(pose_of(truth)) > 0.5
        assert likeness(pose_of(truth)) > likeness(np.eye(4)) + 0.2

    def test_the_turn_is_within_its_limits(self, truth: Path) -> None:
        turn = pose_of(truth)[:3, :3]
        assert 3.0 <= np.rad2deg(np.arccos((np.trace(turn) - 1) / 2)) <= 8.0


class TestResume:
    def test_whole_heads_are_kept(self, data: Path) -> None:
        made = {path: path.stat().st_mtime_ns for path in data.rglob("*.nii.gz")}
        before = (data / "participants.tsv").read_bytes()
        (data / "participants.tsv").unlink()
        simulate_visits(data, heads=1, seed=4, settings=SETTINGS, device="cpu", resume=True)
        assert {path: path.stat().st_mtime_ns for path in data.rglob("*.nii.gz")} == made
        assert (data / "participants.tsv").read_bytes() == before

    def test_another_seed_is_refused(self, data: Path) -> None:
        with pytest.raises(InputError, match="another seed"):
            simulate_visits(data, heads=1, seed=5, settings=SETTINGS, device="cpu", resume=True)
        with pytest.raises(InputError, match="not empty"):
            simulate_visits(data, heads=1, seed=4, settings=SETTINGS, device="cpu")


class TestParts:
    def test_rigid_turns_about_its_centre(self) -> None:
        centre = np.array([1.0, 2.0, 3.0])
        matrix = rigid(90.0, np.array([0, 0, 2.0]), np.array([0, 0, 5.0]), centre)
        np.testing.assert_allclose(moved_points(matrix, centre), centre + np.array([0, 0, 5]))
        beside, turned = centre + np.array([1, 0, 0]), centre + np.array([0, 1, 5])
        np.testing.assert_allclose(moved_points(matrix, beside), turned, atol=1e-12)

    def test_a_moved_body_keeps_its_shape(self) -> None:
        centres = np.array([[0, 0, 0], [2.0, 0, 0]])
        body = Inclusion("microbleed", "microbleed", centres, np.array([1.0, 1.0]), 1.0, 0.1)
        matrix = rigid(30.0, np.array([1.0, 1, 0]), np.array([5.0, 0, 0]), np.zeros(3))
        grown = moved_body(body, matrix, 1.1)
        np.testing.assert_allclose(grown.position_mm, moved_points(matrix, body.position_mm))
        assert np.linalg.norm(grown.centres_mm[1] - grown.centres_mm[0]) == pytest.approx(2.2)
        assert grown.moment_ppm_mm3 == pytest.approx(body.moment_ppm_mm3 * 1.1**3)

    def test_numbers_of_new_ones_reach_every_class(self) -> None:
        rng = np.random.default_rng(0)
        counts = [draw_new_count(rng) for _ in range(500)]
        shares = np.histogram(counts, [0, 1, 5, 10, 99])[0] / 500
        np.testing.assert_allclose(shares, (0.30, 0.45, 0.17, 0.08), atol=0.07)

    def test_one_scanner_keeps_its_format_and_changes_its_noise(self) -> None:
        protocol = PROTOCOLS["3t-0.5x0.5x2"]
        first, second = (draw_settings(protocol, np.random.default_rng(seed)) for seed in (1, 2))
        kept = same_scanner(second, first)
        assert (kept.vendor, kept.phase_unit, kept.mask_power) == (
            first.vendor,
            first.phase_unit,
            first.mask_power,
        )
        assert (kept.snr, kept.tilt_deg, kept.motion) == (second.snr, second.tilt_deg, second.motion)

    @pytest.mark.parametrize(
        "settings",
        [
            VisitSettings("none"),
            VisitSettings("mixed", "none"),
            VisitSettings("mixed", burden="heavy"),
            VisitSettings("mixed", profile="frontal"),
            VisitSettings("mixed", visits=1),
        ],
    )
    def test_unknown_names_are_refused(self, settings: VisitSettings) -> None:
        with pytest.raises(InputError):
            check_settings(settings)


class TestVerb:
    def test_options_arrive(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: dict[str, object] = {}
        monkeypatch.setattr(
            "microbleeds.simulate.visit_dataset.simulate_visits", lambda out, **given: seen.update(given, out=out)
        )
        words = "--subjects 3 --visits 4 --seed 7 --protocol 3t-0.8x0.8x2 --followup-protocol mixed --jobs 2"
        with pytest.raises(SystemExit) as left:
            main(["simulate-visits", str(tmp_path / "d"), *words.split(), "--profile", "deep", "--burden", "some"])
        assert left.value.code == 0
        assert seen["settings"] == VisitSettings("3t-0.8x0.8x2", "mixed", "deep", "some", 4)
        assert (seen["heads"], seen["seed"], seen["jobs"], seen["out"]) == (3, 7, 2, tmp_path / "d")

    def test_a_folder_in_use_is_refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "mine").touch()
        with pytest.raises(SystemExit) as left:
            main(["simulate-visits", str(tmp_path)])
        assert left.value.code == 2
        assert "not empty" in capsys.readouterr().err
