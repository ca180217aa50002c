"""Mixed studies: what each series is, which are used, why, and what --series changes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from dicom_files import base, localiser, magnitude, multi_frame, phase, pixels, report, save, slices
from pydicom.uid import LegacyConvertedEnhancedMRImageStorage

from microbleeds.errors import InputError
from microbleeds.read.dicom.parts import parts_of
from microbleeds.read.dicom.study import list_volumes, read_study

PROJECTION = ("mIP_Images(SW)", ("ORIGINAL", "PRIMARY", "MNIP", "ND", "NORM"))


def other_series() -> list:
    """What else a head study holds."""
    t1 = slices(2, "t1_mprage_sag", ("ORIGINAL", "PRIMARY", "M", "ND"), EchoTime="2.3", SequenceName="*tfl3d1")
    flair = slices(
        3, "t2_flair", ("ORIGINAL", "PRIMARY", "M"), ScanningSequence=["SE", "IR"], SequenceName="*spcir"
    )
    bold = slices(4, "rest", ("ORIGINAL", "PRIMARY", "M"), ScanningSequence=["EP", "GR"], SequenceName="ep2d_bold")
    return [*localiser(), *t1, *flair, *bold, report()]


def siemens() -> list:
    return [*magnitude(), *phase(), *slices(7, *PROJECTION), *slices(8)]


def used(study) -> dict[str, str]:
    return {role: volume.name for role, volume in study.chosen.items()}


class TestDay:
    def test_of_single_images(self, tmp_path: Path):
        days = {"AcquisitionDate": "20241130", "SeriesDate": "20241201", "StudyDate": "20241129"}
        study = read_study(save(tmp_path, slices(8, **days)))
        assert parts_of(study)["swi"].day == study.main.day == date(2024, 11, 30)
        assert "2024" not in repr(study)

    def test_where_the_study_alone_has_one(self, tmp_path: Path):
        assert read_study(save(tmp_path, slices(8, StudyDate="20241129"))).main.day == date(2024, 11, 29)

    def test_of_a_multi_frame_file(self, tmp_path: Path):
        made = multi_frame(8, "SWI", [("MAGNITUDE", ("ORIGINAL", "PRIMARY", "SWI", "NONE"))])
        made.AcquisitionDateTime = "20241130101500"
        assert read_study(save(tmp_path, [made])).main.day == date(2024, 11, 30)

    def test_without(self, tmp_path: Path):
        images = slices(8)
        for image in images:
            for name in ("Acquisition", "Series", "Study"):
                image.pop(f"{name}Date", None)
        assert read_study(save(tmp_path, images)).main.day is None


class TestRoles:
    def test_siemens_among_everything_else(self, tmp_path: Path):
        study = read_study(save(tmp_path, [*other_series(), *siemens()]))
        assert used(study) == {"swi": "8", "magnitude": "5", "phase": "6"}
        assert study.main.description == "SWI_Images"
        assert study.notes == ()
        roles = {volume.number: volume.role for volume in study.seen}
        assert all(roles[number] == "other" for number in (1, 2, 3, 4))
        assert roles[7] == "mip"
        assert len([volume for volume in study.seen if volume.number == 1]) == 3

    @pytest.mark.parametrize(
        ("description", "image_type", "role"),
        [
            ("Ax SWAN", ("ORIGINAL", "PRIMARY", "OTHER"), "swi"),
            ("FILT_PHA: Ax SWAN", ("ORIGINAL", "PRIMARY", "OTHER"), "phase"),
            ("Min IP: Ax SWAN", ("DERIVED", "SECONDARY", "REFORMATTED"), "mip"),
            ("sSWIp", ("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"), "swi"),
            ("sSWIp", ("ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"), "phase"),
            ("VEN_BOLD", ("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"), "swi"),
            ("FSBB 3D", ("ORIGINAL", "PRIMARY", "OTHER"), "swi"),
            ("t2_swi_tra", ("ORIGINAL", "PRIMARY", "R", "ND"), "real"),
            ("Ax T2* GRE", ("ORIGINAL", "PRIMARY", "M"), "magnitude"),
            ("T2W_FFE_hemo", ("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"), "magnitude"),
            ("mIP_swi", ("DERIVED", "SECONDARY"), "mip"),
            ("QSM", ("DERIVED", "PRIMARY", "QSM"), "other"),
            ("switched", ("ORIGINAL", "PRIMARY", "M"), "other"),
        ],
    )
    def test_names_of_other_vendors(self, tmp_path: Path, description: str, image_type: tuple, role: str):
        scanner = {"Manufacturer": "", "SequenceName": "", "ScanningSequence": "GR", "EchoTime": "6"}
        _, volumes = list_volumes(save(tmp_path, slices(3, description, image_type, **scanner)))
        assert [volume.role for volume in volumes] == [role]

    def test_a_long_gradient_echo_is_t2_star_weighted(self, tmp_path: Path):
        images = slices(3, "fl2d axial", ("ORIGINAL", "PRIMARY", "M"), SequenceName="*fl2d1", EchoTime="23")
        study = read_study(save(tmp_path, images))
        assert used(study) == {"magnitude": "3"}
        assert "TE 23 ms" in study.reasons["magnitude"]

    def test_a_classic_study_that_an_archive_made_multi_frame(self, tmp_path: Path):
        """Legacy Converted Enhanced MR: no complex component and no echo in its frames, but their types."""
        kinds = [("", ("ORIGINAL", "PRIMARY", "M", "SWI")), ("", ("ORIGINAL", "PRIMARY", "P", "ND"))]
        file = multi_frame(4, "converted", kinds)
        file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = LegacyConvertedEnhancedMRImageStorage
        for frame in file.PerFrameFunctionalGroupsSequence:
            del frame.MREchoSequence
            del frame.MRImageFrameTypeSequence[0].ComplexImageComponent
        file.SequenceName = "*swi3d1r"
        study = read_study(save(tmp_path, [file]))
        assert used(study) == {"swi": "4:1", "phase": "4:2"}

    def test_the_sequence_name_alone(self, tmp_path: Path):
        """People type descriptions; a short echo would not be taken for T2*."""
        plain = {"EchoTime": "6", "ScanningSequence": "GR"}
        images = slices(5, "axial 3", ("ORIGINAL", "PRIMARY", "M", "ND"), SequenceName="*swi3d1r", **plain)
        others = slices(6, "axial 4", ("ORIGINAL", "PRIMARY", "M", "ND"), SequenceName="*fl3d1", **plain)
        _, volumes = list_volumes(save(tmp_path, [*images, *others]))
        assert {volume.name: volume.role for volume in volumes} == {"5": "magnitude", "6": "other"}

    def test_ge_tells_real_and_imaginary_in_a_private_element(self, tmp_path: Path):
        images = []
        for code, offset in ((2, 0), (3, 100)):
            for image in slices(9, "ORIG: Ax SWAN", ("ORIGINAL", "PRIMARY", "OTHER"), stored=pixels(code)):
                image.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", code)
                image.SOPInstanceUID += f".{code}"
                image.InstanceNumber += offset
                images.append(image)
        study = read_study(save(tmp_path, images))
        assert used(study) == {"real": "9:1", "imaginary": "9:2"}
        assert study.main.role == "real"

    def test_without_the_private_element_only_order_tells(self, tmp_path: Path):
        images = slices(9, "Ax SWAN", ("ORIGINAL", "PRIMARY", "OTHER"))
        more = slices(9, "Ax SWAN", ("ORIGINAL", "PRIMARY", "OTHER"), stored=pixels(1))
        for image in more:
            image.SOPInstanceUID += ".2"
            image.InstanceNumber += 10
        study = read_study(save(tmp_path, [*images, *more]))
        assert used(study) == {"swi": "9:1", "magnitude": "9:2"} or used(study) == {"swi": "9:1"}
        assert any("nothing but their order" in note for note in study.notes)


class TestChoice:
    def test_the_finer_of_two_is_explained(self, tmp_path: Path):
        coarse = slices(12, PixelSpacing=[1.1, 1.1])
        study = read_study(save(tmp_path, [*slices(8), *coarse]))
        assert used(study) == {"swi": "8"}
        assert study.notes == (
            "Series 8 (SWI_Images) was chosen as SWI before 12 (SWI_Images), because its voxels are smaller.",
        )

    def test_a_phase_on_its_grid_counts_more_than_fineness(self, tmp_path: Path):
        coarse = {"PixelSpacing": [1.1, 1.1]}
        study = read_study(save(tmp_path, [*slices(8), *slices(12, **coarse), *phase(11, **coarse)]))
        assert used(study) == {"swi": "12", "phase": "11"}
        assert "because a phase image lies on its grid" in study.reasons["swi"]

    def test_the_latest_of_two_equal(self, tmp_path: Path):
        study = read_study(save(tmp_path, [*slices(8), *slices(18)]))
        assert used(study) == {"swi": "18"}
        assert "because it is the latest" in study.reasons["swi"]

    def test_philips_names_source_and_result_alike(self, tmp_path: Path):
        kind = ("PRIMARY", "M_FFE", "M", "FFE")
        source = slices(701, "sSWIp", ("ORIGINAL", *kind), SequenceName="FFE")
        result = slices(702, "sSWIp", ("DERIVED", *kind), SequenceName="FFE")
        study = read_study(save(tmp_path, [*source, *result]))
        assert used(study) == {"swi": "702", "magnitude": "701"}

    def test_echoes_of_one_series_are_told_apart(self, tmp_path: Path):
        images = []
        for n, echo in enumerate(("6.5", "13", "19.5", "26")):
            more = magnitude(5, EchoTime=echo, stored=pixels(n))
            for image in more:
                image.SOPInstanceUID += f".{n}"
            images += more
        phases = [*phase(6, EchoTime="13"), *phase(7, EchoTime="19.5")]
        study = read_study(save(tmp_path, [*images, *phases]))
        assert used(study) == {"magnitude": "5:3", "phase": "7"}
        assert "its echo time is nearest to the usual" in study.reasons["magnitude"]
        assert "nearest to that of series 5:3" in study.reasons["phase"]

    def test_acquisitions_of_one_series_are_told_apart(self, tmp_path: Path):
        images = slices(8)
        more = slices(8, stored=pixels(1), AcquisitionNumber=2)
        for image in more:
            image.SOPInstanceUID += ".2"
        study = read_study(save(tmp_path, [*images, *more]))
        assert len(study.seen) == 2
        assert all(volume.defect is None and len(volume.instances) == 10 for volume in study.seen)

    def test_a_phase_on_another_grid_is_mentioned(self, tmp_path: Path):
        study = read_study(save(tmp_path, [*slices(8), *phase(6, origin=(-8.0, -7.2, -9.0))]))
        assert used(study) == {"swi": "8"}
        assert any("Series 6 (Pha_Images) is a phase image but wasn't used" in note for note in study.notes)

    def test_a_broken_phase_is_mentioned(self, tmp_path: Path):
        broken = phase()
        del broken[4]
        study = read_study(save(tmp_path, [*slices(8), *broken]))
        assert used(study) == {"swi": "8"}
        assert any("1 slice is missing" in note for note in study.notes)

    def test_a_broken_swi_is_no_reason_for_another_kind(self, tmp_path: Path):
        broken = slices(8)
        del broken[4]
        with pytest.raises(InputError, match="the only SWI, can't be used: 1 slice is missing"):
            read_study(save(tmp_path, [*broken, *magnitude(), *phase()]))

    def test_order_of_storage_does_not_matter(self, tmp_path: Path):
        turned = []
        for image, plane in zip(phase(6), pixels(6), strict=True):
            start = np.array([float(v) for v in image.ImagePositionPatient])
            image.ImageOrientationPatient = [-1, 0, 0, 0, 1, 0]
            image.ImagePositionPatient = [f"{v:.6g}" for v in start + np.array([19 * 0.8, 0, 0])]
            image.PixelData = np.ascontiguousarray(plane[:, ::-1]).tobytes()
            turned.append(image)
        study = read_study(save(tmp_path, [*slices(8), *turned]))
        assert used(study) == {"swi": "8", "phase": "6"}


class TestWishes:
    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return save(tmp_path_factory.mktemp("study"), [*other_series(), *siemens(), *slices(18), *phase(16)])

    @pytest.mark.parametrize("name", ["8", "1.2.3.8", "swi=8", "swi=1.2.3.8", " SWI = 8 "])
    def test_one_series(self, folder: Path, name: str):
        study = read_study(folder, [name])
        assert used(study)["swi"] == "8"
        assert study.reasons["swi"] == "Series 8 (SWI_Images) is the SWI, as asked for."

    def test_several(self, folder: Path):
        assert used(read_study(folder, ["swi=18", "phase=16"]))["phase"] == "16"
        assert used(read_study(folder, ["swi=18,phase=6"]))["phase"] == "6"

    def test_a_text_is_one_wish_and_not_its_letters(self, folder: Path):
        assert used(read_study(folder, "swi=18"))["swi"] == "18"

    def test_a_named_magnitude_leaves_the_swi(self, folder: Path):
        study = read_study(folder, ["magnitude=5"])
        assert used(study)["magnitude"] == "5"
        assert study.main.role == "swi"

    def test_the_rest_lies_on_the_grid_of_what_was_named(self, tmp_path: Path):
        apart = {"origin": (-8.0, -7.2, 40.0)}
        save(
            tmp_path,
            [*slices(8), *phase(6), *slices(18, **apart), *phase(16, **apart), *phase(26, PixelSpacing=[1, 1])],
        )
        assert used(read_study(tmp_path))["swi"] == "18"
        assert used(read_study(tmp_path, ["phase=6"]))["swi"] == "8"
        with pytest.raises(InputError, match=r"lies on the grid of series 26 \(Pha_Images\)"):
            read_study(tmp_path, ["phase=26"])

    def test_half_a_complex_image(self, folder: Path):
        with pytest.raises(InputError, match="with its imaginary one only"):
            read_study(folder, ["real=5", "swi=none", "magnitude=none"])
        with pytest.raises(InputError, match="can't be used as real part beside"):
            read_study(folder, ["real=5"])

    def test_doing_without(self, folder: Path):
        study = read_study(folder, ["phase=none", "magnitude=none"])
        assert set(used(study)) == {"swi"}

    def test_doing_without_swi(self, folder: Path):
        assert read_study(folder, ["swi=none"]).main.name == "5"

    def test_a_series_of_unknown_kind_needs_a_role(self, folder: Path):
        with pytest.raises(InputError, match=r"Series 2 .t1_mprage_sag. isn't recognised .* --series swi=2"):
            read_study(folder, ["2"])
        assert used(read_study(folder, ["magnitude=2", "swi=none"]))["magnitude"] == "2"

    @pytest.mark.parametrize("wish", ["swi=6", "magnitude=6", "swi=7"])
    def test_what_its_headers_call_phase_or_projection_is_no_swi(self, folder: Path, wish: str):
        with pytest.raises(InputError, match=r"can't be the .*its headers say that it is a (phase image|min)"):
            read_study(folder, [wish])

    def test_a_projection_is_never_searched(self, folder: Path):
        with pytest.raises(InputError, match=r"Series 7 .mIP_Images.SW.. is a minimum projection, which is never"):
            read_study(folder, ["7"])
        with pytest.raises(InputError, match="no role called 'mip'"):
            read_study(folder, ["mip=7"])

    def test_no_such_series(self, folder: Path):
        with pytest.raises(InputError, match="There is no series 55; the study holds series 1:1 "):
            read_study(folder, ["55"])

    def test_no_such_role(self, folder: Path):
        with pytest.raises(InputError, match="There is no role called 'flair'; use one of swi, magnitude"):
            read_study(folder, ["flair=3"])

    def test_a_series_with_two_volumes_needs_a_number(self, tmp_path: Path):
        kinds = [
            ("MAGNITUDE", ("ORIGINAL", "PRIMARY", "M", "SWI")),
            ("MAGNITUDE", ("DERIVED", "PRIMARY", "M", "SWI")),
        ]
        save(tmp_path, [multi_frame(4, "SWI", kinds)])
        with pytest.raises(InputError, match=r"Series 4 is not one volume but series 4:1 .*; name one"):
            read_study(tmp_path, ["4"])
        assert used(read_study(tmp_path, ["4:2"]))["swi"] == "4:2"

    def test_a_broken_series_is_refused(self, tmp_path: Path):
        broken = slices(8)
        del broken[4]
        save(tmp_path, [*broken, *slices(18)])
        assert read_study(tmp_path).main.name == "18"
        with pytest.raises(
            InputError, match=r"Series 8 \(SWI_Images\), the SWI, can't be used: 1 slice is missing"
        ):
            read_study(tmp_path, ["8"])


class TestRefused:
    def test_localiser_only(self, tmp_path: Path):
        with pytest.raises(
            InputError, match=r"holds no SWI and no T2.*series 1:1 .localizer., 3 images: a localiser"
        ):
            read_study(save(tmp_path, localiser()))

    def test_two_patients(self, tmp_path: Path):
        with pytest.raises(InputError, match="more than one patient"):
            read_study(save(tmp_path, [*slices(8), *phase(6, PatientID="another")]))

    def test_one_number_with_two_birth_dates(self, tmp_path: Path):
        with pytest.raises(InputError, match="more than one patient"):
            read_study(save(tmp_path, [*slices(8), *phase(6, PatientBirthDate="19620101")]))

    def test_one_patient_whose_name_is_spelt_otherwise(self, tmp_path: Path):
        assert "phase" in read_study(save(tmp_path, [*slices(8), *phase(6, PatientName="zylberstein^O")])).chosen

    def test_two_studies(self, tmp_path: Path):
        second = slices(9, StudyInstanceUID="1.2.77")
        save(tmp_path, [*slices(8), *second])
        with pytest.raises(InputError, match="holds 2 studies with such images"):
            read_study(tmp_path)
        assert read_study(tmp_path, ["1.2.3.9"]).main.number == 9

    def test_reports_only(self, tmp_path: Path):
        with pytest.raises(InputError, match="The 1 DICOM objects hold no MR image"):
            read_study(save(tmp_path, [report()]))

    def test_a_directory_of_a_disk_is_no_damage(self, tmp_path: Path):
        directory = base("1.2.840.10008.1.3.10", "1.2.3.50")
        del directory.SOPClassUID
        directory.save_as(save(tmp_path, slices(8)) / "DICOMDIR", enforce_file_format=True)
        assert read_study(tmp_path).notes == ()

    def test_no_dicom_at_all(self, tmp_path: Path):
        (tmp_path / "notes.txt").write_text("no image")
        with pytest.raises(InputError, match="None of the 1 files is DICOM"):
            read_study(tmp_path)

    def test_nothing_at_all(self, tmp_path: Path):
        with pytest.raises(InputError, match="There is no DICOM file"):
            read_study(tmp_path)

    def test_no_such_folder(self, tmp_path: Path):
        from microbleeds.read.dicom.study import open_study

        with pytest.raises(InputError, match="doesn't exist"), open_study(tmp_path / "none"):
            pass
