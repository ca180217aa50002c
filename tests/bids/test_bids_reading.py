"""Which images of a data set are searched, and what is said about it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from little_cohort import data_set, image
from microbleeds.annotations.walk import Walk
from microbleeds.bids.choose import Choice, choose_scan
from microbleeds.bids.dataset import read_sessions
from microbleeds.errors import InputError


def anat(root: Path) -> Path:
    return root / "sub-01" / "anat"


def chosen(root: Path, **labels: str) -> Choice:
    (session,) = read_sessions(root)
    return choose_scan(session, **labels)


def names(choice: Choice) -> dict[str, str]:
    return {role: path.name for role, path in choice.images.items()}


class TestSessions:
    def test_subjects_and_sessions_in_order(self, tmp_path: Path) -> None:
        data_set(tmp_path, dict.fromkeys(["sub-02", "sub-10/ses-10", "sub-10/ses-2"], 0))
        assert [session.name for session in read_sessions(tmp_path)] == ["sub-02", "sub-10_ses-2", "sub-10_ses-10"]

    def test_times_outrank_labels(self, tmp_path: Path) -> None:
        data_set(tmp_path, dict.fromkeys(["sub-1/ses-late", "sub-1/ses-early", "sub-1/ses-a"], 0))
        table = tmp_path / "sub-1" / "sub-1_sessions.tsv"
        table.write_text(
            "session_id\tacq_time\nses-late\t2021-03-01T08:00:00\nses-early\t2019-01-01\nses-a\t2020-05-05\n"
        )
        assert [one.session for one in read_sessions(tmp_path)] == ["early", "a", "late"]
        table.write_text(
            "session_id\tacq_time\nses-late\t2021-03-01T08:00:00\nses-early\tn/a\nses-a\t2020-05-05\n"
        )
        assert [one.session for one in read_sessions(tmp_path)] == ["a", "early", "late"]

    @pytest.mark.parametrize("written", ["2019-9-20T10:00:00", "20.09.2019", "9/20/2019"])
    def test_a_time_that_would_not_sort_is_refused(self, tmp_path: Path, written: str) -> None:
        data_set(tmp_path, dict.fromkeys(["sub-1/ses-1", "sub-1/ses-2"], 0))
        table = tmp_path / "sub-1" / "sub-1_sessions.tsv"
        table.write_text(f"session_id\tacq_time\nses-1\t{written}\nses-2\t2019-10-02T10:00:00\n")
        with pytest.raises(InputError, match="not written as BIDS asks") as caught:
            read_sessions(tmp_path)
        assert written not in str(caught.value), "a date may be a patient's"

    def test_an_image_of_somebody_else_is_refused(self, tmp_path: Path) -> None:
        data_set(tmp_path, {"sub-1/ses-1": 0})
        image(tmp_path / "sub-1" / "ses-1" / "anat" / "sub-2_ses-1_swi.nii.gz", 1)
        with pytest.raises(InputError, match="in the folders of sub-1_ses-1 but is named for another"):
            read_sessions(tmp_path)

    def test_an_image_beside_the_sessions_is_refused(self, tmp_path: Path) -> None:
        data_set(tmp_path, {"sub-1/ses-1": 0})
        (tmp_path / "sub-1" / "anat").mkdir()
        image(tmp_path / "sub-1" / "anat" / "sub-1_swi.nii.gz", 1)
        with pytest.raises(InputError, match=r"sub-1/anat/sub-1_swi.nii.gz lies beside the sessions of sub-1"):
            read_sessions(tmp_path)

    def test_a_closed_folder_is_no_empty_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        data_set(tmp_path, {"sub-1": 0})
        closed = tmp_path / "sub-1" / "anat"
        monkeypatch.setattr("microbleeds.bids.dataset.walked", lambda folder: Walk((), (), (closed,)))
        with pytest.raises(InputError, match="can't be read; change its permissions"):
            read_sessions(tmp_path)

    def test_links_are_followed(self, tmp_path: Path) -> None:
        data_set(tmp_path / "elsewhere", {"sub-01/ses-1": 0})
        data_set(tmp_path / "data", {"sub-02": 2})
        (tmp_path / "data" / "sub-01").mkdir()
        (tmp_path / "data" / "sub-01" / "ses-1").symlink_to(tmp_path / "elsewhere" / "sub-01" / "ses-1")
        (tmp_path / "data" / "sub-02" / "anat" / "sub-02_swi.nii.gz").unlink()
        (tmp_path / "data" / "sub-02" / "anat" / "sub-02_swi.nii.gz").symlink_to(tmp_path / "not-fetched")
        first, second = read_sessions(tmp_path / "data")
        assert [image.path.name for image in first.images] == [
            "sub-01_ses-1_part-phase_GRE.nii.gz",
            "sub-01_ses-1_swi.nii.gz",
        ]
        assert "sub-02_swi.nii.gz" in [image.path.name for image in second.images], "it is refused by name later"

    def test_labels_with_and_without_prefix(self, tmp_path: Path) -> None:
        data_set(tmp_path, dict.fromkeys(["sub-1/ses-a", "sub-1/ses-b", "sub-2/ses-a"], 0))
        assert [one.name for one in read_sessions(tmp_path, ["sub-1"], ["b"])] == ["sub-1_ses-b"]
        with pytest.raises(InputError, match=r"no subject 7.*holds 1, 2"):
            read_sessions(tmp_path, ["7"])
        with pytest.raises(InputError, match="no session z"):
            read_sessions(tmp_path, [], ["z"])

    def test_a_folder_that_is_no_data_set(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"no sub-\* folders"):
            read_sessions(tmp_path)
        with pytest.raises(InputError, match="no folder"):
            read_sessions(tmp_path / "none")

    def test_other_modalities_and_projections_are_no_images(self, tmp_path: Path) -> None:
        data_set(tmp_path, {"sub-01": 0})
        for name in ("anat/sub-01_T1w", "anat/sub-01_minIP", "anat/sub-01_FLAIR", "anat/sub-01_desc-brain_mask"):
            image(tmp_path / "sub-01" / f"{name}.nii.gz")
        image(tmp_path / "sub-01" / "func" / "sub-01_task-rest_part-mag_bold.nii.gz")
        image(tmp_path / "sub-01" / "fmap" / "sub-01_phase1.nii.gz")
        assert names(chosen(tmp_path)) == {"swi": "sub-01_swi.nii.gz", "phase": "sub-01_part-phase_GRE.nii.gz"}


class TestChoice:
    def test_magnitude_and_phase(self, tmp_path: Path) -> None:
        for part in ("mag", "phase"):
            image(anat(tmp_path) / f"sub-01_part-{part}_GRE.nii.gz")
        choice = chosen(tmp_path)
        assert names(choice) == {
            "magnitude": "sub-01_part-mag_GRE.nii.gz", "phase": "sub-01_part-phase_GRE.nii.gz",
        }  # fmt: skip
        assert choice.notes == ()

    def test_t2star_weighted_alone(self, tmp_path: Path) -> None:
        image(anat(tmp_path) / "sub-01_T2starw.nii.gz")
        assert names(chosen(tmp_path)) == {"magnitude": "sub-01_T2starw.nii.gz"}

    @pytest.mark.parametrize(
        ("field_t", "times_ms", "taken"),
        [
            (3, (7, 14, 21, 28, 35, 42), 4),
            (1.5, (7, 14, 21, 28, 35, 42), 6),
            (7, (7, 14, 21), 1),
            (3, (40, 50), 1),
        ],
    )
    def test_the_longest_sensible_echo(
        self, tmp_path: Path, field_t: float, times_ms: tuple[float, ...], taken: int
    ) -> None:
        for n, time_ms in enumerate(times_ms, start=1):
            for part in ("mag", "phase"):
                path = anat(tmp_path) / f"sub-01_echo-{n}_part-{part}_MEGRE.nii.gz"
                image(path, EchoTime=time_ms / 1000, MagneticFieldStrength=field_t)
        choice = chosen(tmp_path)
        assert names(choice) == {
            "magnitude": f"sub-01_echo-{taken}_part-mag_MEGRE.nii.gz",
            "phase": f"sub-01_echo-{taken}_part-phase_MEGRE.nii.gz",
        }
        assert f"echo {taken} ({times_ms[taken - 1]:g} ms)" in choice.notes[0]
        assert choice.stem == "sub-01"

    def test_echo_times_of_the_whole_data_set(self, tmp_path: Path) -> None:
        (tmp_path / "dataset_description.json").write_text("{}")
        (tmp_path / "MEGRE.json").write_text('{"MagneticFieldStrength": 3}')
        for n, seconds in ((1, 0.02), (2, 0.04)):
            (tmp_path / f"echo-{n}_MEGRE.json").write_text(f'{{"EchoTime": {seconds}}}')
            for part in ("mag", "phase"):
                image(anat(tmp_path) / f"sub-01_echo-{n}_part-{part}_MEGRE.nii.gz")
        choice = chosen(tmp_path)
        assert names(choice)["magnitude"] == "sub-01_echo-1_part-mag_MEGRE.nii.gz"
        assert "echo 1 (20 ms)" in choice.notes[0]

    @pytest.mark.parametrize(("of_phase", "taken"), [((1,), 1), ((1, 2), 2), ((2, 3), 3)])
    def test_an_echo_with_phase_beats_a_longer_one_without(
        self, tmp_path: Path, of_phase: tuple[int, ...], taken: int
    ) -> None:
        for n in (1, 2, 3):
            for part in ("mag", "phase") if n in of_phase else ("mag",):
                image(anat(tmp_path) / f"sub-01_echo-{n}_part-{part}_MEGRE.nii.gz", EchoTime=n / 100)
        choice = chosen(tmp_path)
        assert names(choice) == {
            "magnitude": f"sub-01_echo-{taken}_part-mag_MEGRE.nii.gz",
            "phase": f"sub-01_echo-{taken}_part-phase_MEGRE.nii.gz",
        }
        assert f"{3 - len(of_phase)} without a phase of their echo" in " ".join(choice.notes)

    def test_a_phase_of_another_echo_is_left_aside(self, tmp_path: Path) -> None:
        for name in ("echo-1_part-mag", "echo-2_part-phase"):
            image(anat(tmp_path) / f"sub-01_{name}_MEGRE.nii.gz", EchoTime=0.02)
        choice = chosen(tmp_path)
        assert names(choice) == {"magnitude": "sub-01_echo-1_part-mag_MEGRE.nii.gz"}
        assert "phase of echo 2 was left aside" in " ".join(choice.notes)

    def test_names_of_dcm2niix(self, tmp_path: Path) -> None:
        for name in ("MR01_SWI_Images_7", "MR01_Pha_Images_6_ph", "MR01_mIP_Images(SW)_8", "MR01_t1_mprage_2"):
            image(tmp_path / "sub-01" / f"{name}.nii.gz", EchoTime=0.02)
        assert names(chosen(tmp_path)) == {
            "swi": "MR01_SWI_Images_7.nii.gz",
            "phase": "MR01_Pha_Images_6_ph.nii.gz",
        }

    def test_echoes_of_dcm2niix(self, tmp_path: Path) -> None:
        for echo, seconds in ((1, 0.01), (2, 0.02), (3, 0.04)):
            for ending in ("", "_ph"):
                path = anat(tmp_path) / f"gre_5_e{echo}{ending}.nii.gz"
                image(path, EchoTime=seconds, MagneticFieldStrength=3)
        assert names(chosen(tmp_path)) == {"magnitude": "gre_5_e2.nii.gz", "phase": "gre_5_e2_ph.nii.gz"}

    def test_phase_beats_voxels_beat_runs(self, tmp_path: Path) -> None:
        folder = anat(tmp_path)
        image(folder / "sub-01_acq-fine_run-1_swi.nii.gz", spacing_mm=0.5)
        for run in (1, 2):
            image(folder / f"sub-01_acq-std_run-{run}_swi.nii.gz", spacing_mm=0.8)
            image(folder / f"sub-01_acq-std_run-{run}_part-phase_GRE.nii.gz", spacing_mm=0.8)
        choice = chosen(tmp_path)
        assert choice.stem == "sub-01_acq-std_run-2"
        assert "3 acquisitions" in choice.notes[0]
        assert "latest run" in choice.notes[0]
        assert "acq-fine run-1" in choice.notes[0]
        assert chosen(tmp_path, run="1", acquisition="std").stem == "sub-01_acq-std_run-1"
        assert names(chosen(tmp_path, acquisition="acq-fine"))["swi"] == "sub-01_acq-fine_run-1_swi.nii.gz"
        with pytest.raises(InputError, match="with acq-none"):
            chosen(tmp_path, acquisition="none")

    def test_the_finer_of_two(self, tmp_path: Path) -> None:
        image(anat(tmp_path) / "sub-01_acq-a_swi.nii.gz", spacing_mm=0.5)
        image(anat(tmp_path) / "sub-01_acq-b_swi.nii.gz", spacing_mm=1.0)
        choice = chosen(tmp_path)
        assert choice.stem == "sub-01_acq-a"
        assert "finest voxels" in choice.notes[0]

    def test_phase_of_another_acquisition_on_the_same_grid(self, tmp_path: Path) -> None:
        swi = image(anat(tmp_path) / "sub-01_swi.nii.gz")
        phase = image(anat(tmp_path) / "sub-01_acq-gre_part-phase_GRE.nii.gz")
        assert names(chosen(tmp_path)) == {"swi": swi.name, "phase": phase.name}
        image(phase, spacing_mm=2.0)
        assert names(chosen(tmp_path)) == {"swi": swi.name}

    def test_only_what_lies_on_the_grid_of_the_swi_is_taken(self, tmp_path: Path) -> None:
        image(anat(tmp_path) / "sub-01_swi.nii.gz", spacing_mm=0.5)
        image(anat(tmp_path) / "sub-01_part-mag_GRE.nii.gz", spacing_mm=0.5)
        for name in ("T2starw", "part-phase_GRE"):
            image(anat(tmp_path) / f"sub-01_{name}.nii.gz", spacing_mm=0.9)
        choice = chosen(tmp_path)
        assert names(choice) == {"magnitude": "sub-01_T2starw.nii.gz", "phase": "sub-01_part-phase_GRE.nii.gz"}
        (anat(tmp_path) / "sub-01_T2starw.nii.gz").unlink()
        choice = chosen(tmp_path)
        assert names(choice) == {"swi": "sub-01_swi.nii.gz", "magnitude": "sub-01_part-mag_GRE.nii.gz"}
        assert "part-phase_GRE.nii.gz was left aside" in choice.notes[0]
        assert "another grid" in choice.notes[0]
        (anat(tmp_path) / "sub-01_part-phase_GRE.nii.gz").unlink()
        image(anat(tmp_path) / "sub-01_T2starw.nii.gz", spacing_mm=0.9)
        assert names(chosen(tmp_path)) == names(choice)
        assert "left: sub-01_T2starw.nii.gz" in chosen(tmp_path).notes[0]

    def test_voxels_may_be_stored_in_another_order(self, tmp_path: Path) -> None:
        data_set(tmp_path, {"sub-01": 0})
        phase = anat(tmp_path) / "sub-01_part-phase_GRE.nii.gz"
        turned = nib.load(phase).as_reoriented(np.array([[0, -1], [1, 1], [2, 1]]))
        nib.save(nib.Nifti1Image(np.asarray(turned.dataobj), turned.affine), phase)
        assert set(names(chosen(tmp_path))) == {"swi", "phase"}

    def test_nothing_to_search(self, tmp_path: Path) -> None:
        image(anat(tmp_path) / "sub-01_T1w.nii.gz")
        with pytest.raises(InputError, match="no SWI"):
            chosen(tmp_path)
        image(anat(tmp_path) / "sub-01_part-phase_GRE.nii.gz")
        with pytest.raises(InputError, match="no SWI or magnitude beside"):
            chosen(tmp_path)


class TestRuns:
    @pytest.mark.parametrize(
        ("there", "taken"),
        [
            ("Mag_9 Pha_10 SWI_12 Mag_17 Pha_18 SWI_20", "Mag_17 Pha_18 SWI_20"),
            ("Mag_9 Pha_10 SWI_12 Mag_17", "Mag_9 Pha_10 SWI_12"),
            ("Mag_9 Pha_10 Mag_17 Pha_18 SWI_20", "Mag_17 Pha_18 SWI_20"),
            ("SWI_5 Mag_9 Pha_10 SWI_12", "Mag_9 Pha_10 SWI_12"),
            ("Mag_1 Mag_2 Pha_3 Pha_4 SWI_5 SWI_6", "Mag_2 Pha_4 SWI_6"),
            ("SWI_501 SWI_501_ph SWI_1001 SWI_1001_ph", "SWI_1001 SWI_1001_ph"),
            ("first_SWI first_pha second_SWI second_pha", "second_SWI second_pha"),
            ("gre_5_e1 gre_5_e2 gre_5_e2_ph gre_19_e1 gre_19_e2 gre_19_e2_ph", "gre_19_e2 gre_19_e2_ph"),
        ],
    )
    def test_images_of_one_run_are_taken(self, tmp_path: Path, there: str, taken: str) -> None:
        for name in there.split():
            image(tmp_path / "sub-01" / f"{name}.nii.gz")
        choice = chosen(tmp_path)
        assert set(names(choice).values()) == {f"{name}.nii.gz" for name in taken.split()}
        assert choice.notes
        assert choice.stem == "sub-01"

    def test_the_latest_run_is_told(self, tmp_path: Path) -> None:
        for name in ("SWI_9", "Pha_8", "SWI_12", "Pha_11"):
            image(tmp_path / "sub-01" / f"{name}.nii.gz")
        assert "Of 2 acquisitions SWI_12.nii.gz was taken (the latest run" in chosen(tmp_path).notes[0]
        assert "left: SWI_9.nii.gz" in chosen(tmp_path).notes[0]

    def test_what_may_be_of_another_run_is_left_aside(self, tmp_path: Path) -> None:
        for name in ("a_SWI", "b_SWI", "c_pha", "d_pha", "e_pha"):
            image(tmp_path / "sub-01" / f"{name}.nii.gz")
        choice = chosen(tmp_path)
        assert names(choice) == {"swi": "b_SWI.nii.gz"}
        assert sum("pha.nii.gz was left aside" in note for note in choice.notes) == 3


class TestDamaged:
    @pytest.fixture(params=["no gzip stream", "datatype", "dimensions", "empty"])
    def damage(self, request: pytest.FixtureRequest) -> Callable[[Path], None]:
        def write(path: Path) -> None:
            header = bytearray(gzip.decompress(path.read_bytes()))
            if request.param == "datatype":
                header[70:72] = b"\x39\x30"
            elif request.param == "dimensions":
                header[40:42] = b"\x0c\x00"
            made = {"no gzip stream": path.read_bytes()[:10] + b"\xff" * 400, "empty": b""}
            path.write_bytes(made.get(request.param, gzip.compress(bytes(header))))

        return write

    def test_another_acquisition_is_taken(self, tmp_path: Path, damage: Callable[[Path], None]) -> None:
        for run in (1, 2):
            image(anat(tmp_path) / f"sub-01_run-{run}_swi.nii.gz")
        damage(anat(tmp_path) / "sub-01_run-2_swi.nii.gz")
        choice = chosen(tmp_path)
        assert names(choice) == {"swi": "sub-01_run-1_swi.nii.gz"}
        assert "sub-01_run-2_swi.nii.gz can't be used" in choice.notes[0]

    def test_the_only_one_is_left_to_the_search(self, tmp_path: Path, damage: Callable[[Path], None]) -> None:
        damage(image(anat(tmp_path) / "sub-01_swi.nii.gz"))
        assert names(chosen(tmp_path)) == {"swi": "sub-01_swi.nii.gz"}


def test_real_and_imaginary_parts_are_no_magnitudes(tmp_path: Path) -> None:
    for part in ("mag", "phase", "real", "imag"):
        anat(tmp_path).mkdir(parents=True, exist_ok=True)
        image(anat(tmp_path) / f"sub-01_part-{part}_GRE.nii.gz", 1)
    assert names(chosen(tmp_path)) == {
        "magnitude": "sub-01_part-mag_GRE.nii.gz",
        "phase": "sub-01_part-phase_GRE.nii.gz",
    }
