"""Which file is which image of which scan, from the names that people and converters give."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from little_scans import blank, write

from microbleeds.annotations.find import read_data_set
from microbleeds.annotations.images import named_file, subject_of
from microbleeds.annotations.statement import Statement
from microbleeds.errors import InputError


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("sub-01/anat/sub-01_swi.nii.gz", "swi"),
        ("sub-01/swi/sub-01_part-phase_GRE.nii.gz", "phase"),
        ("sub-01/swi/sub-01_part-mag_GRE.nii.gz", "magnitude"),
        ("sub-01/anat/sub-01_minIP.nii.gz", "other"),
        ("sub-01/anat/sub-01_acq-mIP_swi.nii.gz", "other"),
        ("sub-01/anat/sub-01_T2starw.nii.gz", "magnitude"),
        ("sub-01/anat/sub-01_T1w.nii.gz", "other"),
        ("sub-101/sub-101_space-T2S_desc-masked_T1.nii.gz", "other"),
        ("sub-101/sub-101_space-T2S_desc-masked_T2S.nii.gz", "magnitude"),
        ("sub-101/sub-101_space-T2S_CMB.nii.gz", "mask"),
        ("derivatives/a/sub-01/sub-01_label-CMB_mask.nii.gz", "mask"),
        ("derivatives/a/sub-01/sub-01_desc-brain_mask.nii.gz", "other"),
        ("p1/20200101_Mag_Images_5.nii.gz", "magnitude"),
        ("p1/20200101_Pha_Images_6.nii.gz", "phase"),
        ("p1/20200101_mIP_Images(SW)_7.nii.gz", "other"),
        ("p1/20200101_SWI_Images_8.nii.gz", "swi"),
        ("p1/SWI_3D_e1_ph.nii.gz", "phase"),
        ("p1/CMB_001_SWI.nii", "swi"),
        ("p1/001_SWI_CMB.nii", "mask"),
        ("SWI/001.nii", "swi"),
        ("Phase/001.nii", "phase"),
        ("labels/001_SWI.nii", "mask"),
        ("nii/01.nii", None),
        ("p1/GRE_e2/001.nii", "magnitude"),
    ],
)
def test_role(name, role):
    assert named_file(Path("/data") / name, Path("/data"), Statement()).role == role


@pytest.mark.parametrize(
    ("kinds", "role"),
    [
        (["ORIGINAL", "PRIMARY", "P", "ND"], "phase"),
        (["ORIGINAL", "PRIMARY", "M", "SWI", "NORM"], "swi"),
        (["DERIVED", "PRIMARY", "MNIP", "SWI"], "other"),
    ],
)
def test_role_by_the_sidecar(tmp_path, kinds, role):
    text = str({"ImageType": kinds}).replace("'", '"')
    write(tmp_path / "p1" / "series_005.json", text)
    assert named_file(tmp_path / "p1" / "series_005.nii.gz", tmp_path, Statement()).role == role


@pytest.mark.parametrize(
    ("key", "subject"),
    [
        (("sub-01", "ses-2"), "sub-01"),
        (("HR", "007"), "HR_007"),
        (("P12", "visit2"), "P12"),
        (("P12", "20190301"), "P12"),
        (("P12", "2019-03-01"), "P12"),
        (("study_12345670",), "study_12345670"),
        (("study_20191301",), "study_20191301"),
        (("007_baseline",), "007"),
        (("007_JD",), "007_JD"),
    ],
)
def test_subject(key, subject):
    assert subject_of(key) == subject


def names(folder: Path) -> list[tuple[str, str]]:
    return [(scan.name, scan.subject) for scan in read_data_set(folder).scans]


class TestGrouping:
    def test_sessions(self, tmp_path):
        for session in ("1", "2"):
            stem = f"sub-03_ses-{session}"
            blank(tmp_path / "sub-03" / f"ses-{session}" / "swi" / f"{stem}_swi.nii.gz")
            write(tmp_path / "sub-03" / f"ses-{session}" / "swi" / f"{stem}_cmb.tsv", "i0\tj0\tk0\n1\t2\t3\n")
        assert names(tmp_path) == [("sub-03_ses-1", "sub-03"), ("sub-03_ses-2", "sub-03")]

    def test_runs_and_their_labels(self, tmp_path):
        for run in ("1", "2"):
            blank(tmp_path / "sub-03" / f"sub-03_run-{run}_swi.nii.gz")
        write(tmp_path / "sub-03" / "sub-03_run-2_cmb.tsv", "i0\tj0\tk0\n1\t2\t3\n")
        scans = read_data_set(tmp_path).scans
        # Run 1 shows the same head: it was taken as one without microbleeds.
        assert [(scan.name, len(scan.positions_ras_mm)) for scan in scans] == [("sub-03_run-2", 1)]
        assert "left out: run-1." in scans[0].warnings[0]
        write(tmp_path / "sub-03" / "sub-03_cmb.tsv", "i0\tj0\tk0\n1\t2\t3\n")
        (refused,) = read_data_set(tmp_path).refused
        assert "several scans (sub-03_run-1, sub-03_run-2)" in refused.sentence

    def test_other_echoes_of_a_labelled_scan_are_left_out(self, tmp_path):
        for name in ("sub-1", "sub-2"):
            blank(tmp_path / name / f"{name}_swi.nii.gz")
            for echo in (1, 2):
                blank(tmp_path / name / f"{name}_echo-{echo}_part-mag_MEGRE.nii.gz")
        write(tmp_path / "all.csv", "subject,i0,j0,k0\nsub-1,1,2,3\nsub-2,,,\n")
        assert names(tmp_path) == [("sub-1", "sub-1"), ("sub-2", "sub-2")]
        warnings = [scan.warnings[0] for scan in read_data_set(tmp_path).scans]
        assert warnings == ["Other images of its session have no labels and were left out: echo-1, echo-2."] * 2
        (tmp_path / "all.csv").unlink()
        blank(tmp_path / "sub-1" / "sub-1_CMB.nii.gz")
        assert [name for name, _ in names(tmp_path)] == ["sub-1", "sub-2", "sub-2_echo-1", "sub-2_echo-2"]

    def test_echoes_of_dcm2niix_are_of_one_subject(self, tmp_path):
        for name in ("001", "002"):
            for ending in ("e1", "e1_ph", "e2", "e2_ph"):
                blank(tmp_path / name / f"{name}_gre_{ending}.nii.gz")
        write(tmp_path / "all.csv", "subject,i0,j0,k0\n001,1,2,3\n")
        assert names(tmp_path) == [("001", "001"), ("002", "002"), ("002_echo-2", "002")]
        (scan, *_) = read_data_set(tmp_path).scans
        assert scan.phase is not None
        assert scan.phase.name == "001_gre_e1_ph.nii.gz"

    def test_people_are_no_echoes(self, tmp_path):
        for name in ("e2_swi", "e3_swi", "swi_E4"):
            blank(tmp_path / f"{name}.nii.gz")
        write(tmp_path / "e2.csv", "i0,j0,k0\n1,2,3\n")
        assert names(tmp_path) == [("E4", "E4"), ("e2", "e2"), ("e3", "e3")]

    @pytest.mark.parametrize(
        ("image", "label"),
        [
            ("001_SWI.nii.gz", "001_SWI_JS.csv"),
            ("001_SWI.nii.gz", "001_cmb_reoriented.csv"),
            ("sub-1_run-01_swi.nii.gz", "sub-1_run-1_cmb.csv"),
            ("sub-1_acq-hires_swi.nii.gz", "sub-1_acq-swi_cmb.csv"),
        ],
    )
    def test_labels_named_by_who_read_them_match(self, tmp_path: Path, image: str, label: str) -> None:
        blank(tmp_path / image)
        write(tmp_path / label, "i0,j0,k0\n1,2,3\n")
        (scan,) = read_data_set(tmp_path).scans
        assert len(scan.positions_ras_mm) == 1

    @pytest.mark.parametrize(("visits", "matched"), [("1", True), ("1 2", False)])
    def test_a_column_of_one_visit_says_nothing(self, tmp_path: Path, visits: str, matched: bool) -> None:
        for name in ("sub-01", "sub-02"):
            blank(tmp_path / f"{name}_swi.nii.gz")
        rows = [f"{name},{visit},1,2,3" for name in ("sub-01", "sub-02") for visit in visits.split()]
        write(tmp_path / "cmb.csv", "\n".join(["subject,session,i0,j0,k0", *rows]) + "\n")
        data = read_data_set(tmp_path)
        assert [len(scan.positions_ras_mm) for scan in data.scans] == ([1, 1] if matched else [0, 0])
        assert bool(data.refused) != matched

    def test_a_list_of_candidates_is_no_labels(self, tmp_path: Path) -> None:
        """This program's findings.tsv holds those that don't count too."""
        blank(tmp_path / "001_swi.nii.gz")
        write(tmp_path / "001_cmb.csv", "x_mm,y_mm,z_mm,kept\n1,2,3,1\n4,5,6,0\n")
        (refused,) = read_data_set(tmp_path).refused
        assert "1 rows that they don't count" in refused.sentence

    def test_tables_of_other_programs_are_no_riddle(self, tmp_path: Path) -> None:
        """Where a mask labels the other scan."""
        for name in ("sub-01", "sub-02"):
            blank(tmp_path / f"{name}_swi.nii.gz")
            write(tmp_path / "freesurfer" / name / "stats" / f"{name}_morphometry.csv", "structure,volume\nx,3\n")
            transform = "#Insight Transform File V1.0\nParameters: 1 0 0 0 1 0\nFixedParameters: 0 0 0\n"
            write(tmp_path / "fmriprep" / name / f"{name}_from-T1w_xfm.txt", transform)
        mask = np.zeros(nib.load(tmp_path / "sub-01_swi.nii.gz").shape, dtype=np.uint8)
        mask[2, 3, 4] = 1
        nib.save(
            nib.Nifti1Image(mask, nib.load(tmp_path / "sub-01_swi.nii.gz").affine), tmp_path / "sub-01_mask.nii.gz"
        )
        data = read_data_set(tmp_path)
        assert data.refused == ()
        assert [len(scan.positions_ras_mm) for scan in data.scans] == [1, 0]

    @pytest.mark.parametrize(
        ("image", "label", "fits"),
        [
            ("sub-1_run-1_swi.nii.gz", "sub-1_run-2_cmb.csv", False),
            ("sub-1_run-1_swi.nii.gz", "sub-1_run-1_cmb.csv", True),
            ("sub-1_run-1_swi.nii.gz", "sub-1_cmb.csv", True),
            ("sub-1_acq-a_swi.nii.gz", "sub-1_acq-b_cmb.csv", False),
            ("001_swi.nii.gz", "001_2.csv", False),
            ("001_swi.nii.gz", "002.csv", False),
            ("001_swi.nii.gz", "001_rater2_labels.csv", True),
            ("001_swi.nii.gz", "marks7.csv", True),
        ],
    )
    def test_labels_of_another_run_or_visit_match_nothing(self, tmp_path, image, label, fits):
        blank(tmp_path / image)
        write(tmp_path / label, "i0,j0,k0\n1,2,3\n")
        data = read_data_set(tmp_path)
        assert [len(scan.positions_ras_mm) for scan in data.scans] == [int(fits)]
        assert fits or "matches no scan" in data.refused[0].sentence
        assert "run-2" not in label or "sub-1 of run-1" in data.refused[0].sentence

    @pytest.mark.parametrize(
        ("cell", "fits"),
        [("001", True), ("001_SWI.nii", True), ("001_run-1", True), ("001_2", False), ("001_run-2", False)],
    )
    def test_rows_of_another_run_or_visit_match_nothing(self, tmp_path, cell, fits):
        for name in ("sub-001", "sub-002"):
            blank(tmp_path / f"{name}_run-1_swi.nii.gz")
        write(tmp_path / "all.csv", f"subject,i0,j0,k0\n{cell},1,2,3\nsub-{cell},4,5,6\n")
        data = read_data_set(tmp_path)
        if fits:
            assert len(data.refused) == 1, "two names of one scan are labels in two places"
        else:
            assert all("matches no scan" in one.sentence for one in data.refused)
            assert len(data.refused) == 2

    def test_blanks_and_decomposed_letters(self, tmp_path):
        for name in ("Patient 001", unicodedata.normalize("NFD", "Müller")):
            blank(tmp_path / f"{name}_swi.nii.gz")
        cells = (unicodedata.normalize("NFC", "Müller"), "Patient 001")
        write(tmp_path / "all.csv", "subject,i0,j0,k0\n" + "".join(f"{cell},1,2,3\n" for cell in cells))
        data = read_data_set(tmp_path)
        assert not data.refused
        assert [(scan.name, len(scan.positions_ras_mm)) for scan in data.scans] == [
            (cells[0], 1), ("Patient_001", 1),
        ]  # fmt: skip

    def test_visits_that_may_be_people_are_told_of(self, tmp_path):
        for name in ("AB_V1", "AB_V2"):
            blank(tmp_path / f"{name}_swi.nii.gz")
            write(tmp_path / f"{name}.csv", "i0,j0,k0\n1,2,3\n")
        first, second = read_data_set(tmp_path).scans
        assert "All 2 scans were taken for visits of one subject, AB, since V1, V2 look like" in first.warnings[-1]
        assert not second.warnings
        blank(tmp_path / "CD_swi.nii.gz")
        write(tmp_path / "CD.csv", "i0,j0,k0\n1,2,3\n")
        assert not any(scan.warnings for scan in read_data_set(tmp_path).scans)

    def test_a_folder_of_converted_series_is_one_scan(self, tmp_path):
        for name in (
            "t2_Mag_Images_5",
            "t2_Pha_Images_6",
            "t2_mIP_Images(SW)_7",
            "t2_SWI_Images_8",
            "t1_mprage_9_T1",
        ):
            blank(tmp_path / "patient 4" / f"{name}.nii.gz")
        write(tmp_path / "patient 4" / "marks.csv", "i0,j0,k0\n1,2,3\n")
        (scan,) = read_data_set(tmp_path).scans
        assert scan.name == "patient 4"
        assert scan.swi is not None
        assert (scan.swi.name, len(scan.positions_ras_mm)) == ("t2_SWI_Images_8.nii.gz", 1)
        assert scan.magnitude is not None
        assert scan.phase is not None

    def test_an_unknown_name_is_taken_as_swi_and_said(self, tmp_path):
        blank(tmp_path / "p1" / "series_005.nii.gz")
        write(tmp_path / "p1" / "marks.csv", "i0,j0,k0\n1,2,3\n")
        (scan,) = read_data_set(tmp_path).scans
        assert any("taken as the SWI" in warning for warning in scan.warnings)

    def test_two_of_a_role_are_refused_until_one_is_named(self, tmp_path):
        for name in ("a", "b"):
            blank(tmp_path / "sub-1" / f"sub-1_rec-{name}_swi.nii.gz")
        write(tmp_path / "sub-1" / "sub-1.csv", "i0,j0,k0\n1,2,3\n")
        data = read_data_set(tmp_path)
        assert any("2 swi images" in one.sentence for one in data.refused)
        assert any('{"images": {"other": "*PATTERN*"}}' in one.sentence for one in data.refused)
        write(tmp_path / "labels.json", '{"images": {"other": "*rec-b*"}}')
        assert not read_data_set(tmp_path).refused

    def test_what_lies_on_another_grid_than_the_swi_is_left_aside(self, tmp_path):
        folder = tmp_path / "sub-1" / "anat"
        blank(folder / "sub-1_swi.nii.gz")
        blank(folder / "sub-1_part-mag_GRE.nii.gz")
        blank(folder / "sub-1_T2starw.nii.gz", (60, 70, 28))
        write(folder / "sub-1_cmb.csv", "i0,j0,k0\n1,2,3\n")
        (scan,) = read_data_set(tmp_path).scans
        assert scan.magnitude is not None
        assert scan.magnitude.name == "sub-1_part-mag_GRE.nii.gz"
        assert any("sub-1_T2starw.nii.gz lies on another grid" in warning for warning in scan.warnings)

    def test_phase_alone_is_refused(self, tmp_path):
        blank(tmp_path / "p1" / "a_SWI.nii.gz")
        blank(tmp_path / "p2" / "b_phase.nii.gz")
        write(tmp_path / "p1" / "marks.csv", "i0,j0,k0\n1,2,3\n")
        (refused,) = read_data_set(tmp_path).refused
        assert "neither an SWI nor a magnitude" in refused.sentence

    def test_hidden_files_are_left_alone(self, tmp_path):
        blank(tmp_path / "p1" / "SWI.nii.gz")
        write(tmp_path / "p1" / "marks.csv", "i0,j0,k0\n1,2,3\n")
        write(tmp_path / ".git" / "x.csv", "i0,j0,k0\nleft,2,3\n")
        write(tmp_path / "p1" / "._marks.csv", "\x00")
        assert len(read_data_set(tmp_path).scans) == 1


class TestLinks:
    """What lies behind links counts, and what can't be reached is refused: scans became negatives."""

    @pytest.fixture
    def data(self, tmp_path: Path) -> Path:
        """Two scans with a label each."""
        for name in ("sub-1", "sub-2"):
            blank(tmp_path / "data" / name / f"{name}_swi.nii.gz")
            write(tmp_path / "data" / "derivatives" / name / f"{name}_cmb.csv", "i0,j0,k0\n1,2,3\n")
        return tmp_path / "data"

    def labels(self, folder: Path) -> list[tuple[str, int]]:
        data = read_data_set(folder)
        assert not data.refused
        return [(scan.name, len(scan.positions_ras_mm)) for scan in data.scans]

    def test_folders_are_followed(self, data, tmp_path):
        for n, name in enumerate(("sub-1", "derivatives")):
            (data / name).rename(tmp_path / f"elsewhere-{n}")
            (data / name).symlink_to(tmp_path / f"elsewhere-{n}")
        assert self.labels(data) == [("sub-1", 1), ("sub-2", 1)]

    def test_loops_and_second_names_count_once(self, data):
        (data / "a-link").symlink_to(data / "sub-2")
        (data / "sub-1" / "all").symlink_to(data)
        (data / "sub-1" / "above").symlink_to(data.parent)
        assert self.labels(data) == [("sub-1", 1), ("sub-2", 1)]

    @pytest.mark.parametrize("name", ["sub-2_desc-cmb_mask.nii.gz", "sub-2_swi.nii.gz", "more.csv", "sub-3"])
    def test_one_to_nothing_is_refused(self, data, name):
        (data / name).symlink_to(".git/annex/objects/xx")
        (refused,) = read_data_set(data).refused
        assert f"Links to nothing: {name}; fetch" in refused.sentence

    def test_one_to_nothing_that_is_not_used_is_left_alone(self, data):
        (data / "sub-2_T1w.nii.gz").symlink_to(".git/annex/objects/xx")
        (data / "README.md").symlink_to("nowhere")
        assert len(self.labels(data)) == 2

    def test_a_closed_folder_is_refused(self, data, monkeypatch):
        scandir = os.scandir  # as a superuser sees everything, the refusal is played

        def closed(place):
            if Path(place).name == "sub-2":
                raise PermissionError(13, "Permission denied", str(place))
            return scandir(place)

        monkeypatch.setattr(os, "scandir", closed)
        assert "sub-2 can't be read" in read_data_set(data).refused[0].sentence


class TestOwnLayout:
    def test_truth_tables(self, tmp_path):
        blank(tmp_path / "sub-001" / "anat" / "sub-001_swi.nii.gz")
        blank(tmp_path / "sub-001" / "anat" / "sub-001_part-phase_GRE.nii.gz")
        truth = tmp_path / "derivatives" / "truth" / "sub-001" / "anat"
        write(
            truth / "sub-001_microbleeds.tsv",
            "id\tx_mm\ty_mm\tz_mm\tdiameter_mm\tvisible\n1\t1\t2\t3\t2.5\t1\n2\t4\t5\t6\tn/a\t0\n",
        )
        write(
            truth / "sub-001_mimics.tsv",
            "id\tkind\tx_mm\ty_mm\tz_mm\tscored\n1\tcalcification\t7\t8\t9\tmimic\n"
            "2\tpallidal-mineralisation\t9\t9\t9\tignored\n",
        )
        (scan,) = read_data_set(tmp_path).scans
        assert scan.positions_ras_mm.tolist() == [[1, 2, 3]]
        assert scan.diameters_mm.tolist() == [2.5]
        assert scan.ignored_ras_mm.tolist() == [[4, 5, 6], [9, 9, 9]]

    def test_a_missing_truth_is_refused(self, tmp_path):
        for n in (1, 2):
            blank(tmp_path / f"sub-00{n}" / "anat" / f"sub-00{n}_swi.nii.gz")
        write(
            tmp_path / "derivatives" / "truth" / "sub-001" / "anat" / "sub-001_microbleeds.tsv",
            "id\tx_mm\ty_mm\tz_mm\n",
        )
        data = read_data_set(tmp_path)
        assert [scan.name for scan in data.scans] == ["sub-001"]
        assert "sub-002 has no derivatives" in data.refused[0].sentence

    def test_visits(self, tmp_path):
        for visit in ("ses-01", "ses-02"):
            blank(tmp_path / "sub-1" / visit / "anat" / f"sub-1_{visit}_swi.nii.gz")
            truth = tmp_path / "derivatives" / "truth" / "sub-1" / visit / "anat"
            write(truth / f"sub-1_{visit}_microbleeds.tsv", "id\tx_mm\ty_mm\tz_mm\n1\t1\t2\t3\n")
        assert names(tmp_path) == [("sub-1_ses-01", "sub-1"), ("sub-1_ses-02", "sub-1")]

    def test_what_would_not_be_honoured_is_refused(self, tmp_path):
        table = tmp_path / "derivatives" / "truth" / "sub-1" / "anat" / "sub-1_microbleeds.tsv"
        write(table, "id\tx_mm\ty_mm\tz_mm\n1\t1\t2\t3\n")
        anatomy = tmp_path / "sub-1" / "anat"
        for suffix in (".nii", ".nii.gz"):
            blank(anatomy / f"sub-1_swi{suffix}")
        assert "there as sub-1_swi.nii too" in read_data_set(tmp_path).refused[0].sentence
        (anatomy / "sub-1_swi.nii").unlink()
        (anatomy / "sub-1_part-phase_GRE.nii.gz").symlink_to("not fetched")
        assert "link to nothing" in read_data_set(tmp_path).refused[0].sentence
        (anatomy / "sub-1_part-phase_GRE.nii.gz").unlink()
        write(tmp_path / "labels.json", '{"space": "LPS"}')
        with pytest.raises(InputError, match=r"labels.json states .* always RAS mm"):
            read_data_set(tmp_path)
