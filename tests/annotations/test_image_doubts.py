"""What is refused, or doubted, when it is given as the image to search."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from microbleeds.annotations.doubts import doubts_about
from microbleeds.errors import InputError


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sub-01_T1w.nii.gz", "a T1-weighted image"),
        ("sub-101_space-T2S_desc-masked_T1.nii.gz", "a T1-weighted image"),
        ("sub-101_space-T2S_desc-masked_T2.nii.gz", "a T2-weighted image"),
        ("p1_FLAIR.nii", "a FLAIR image"),
        ("sub-01_minIP.nii.gz", "a minimum projection"),
        ("sub-01_acq-mIP_swi.nii.gz", "a minimum projection"),
        ("SWI_mIP.nii.gz", "a minimum projection"),
        ("SWI_3D_e1_ph.nii.gz", "a phase image"),
        ("SWI_Phase.nii.gz", "a phase image"),
        ("sub-01_part-phase_GRE.nii.gz", "a phase image"),
    ],
)
@pytest.mark.parametrize("role", ["swi", "magnitude"])
def test_another_kind_is_refused(tmp_path: Path, name: str, kind: str, role):
    with pytest.raises(InputError, match=f"its name says that it is {kind}"):
        doubts_about(tmp_path / name, role)


@pytest.mark.parametrize(
    "name",
    [
        "swi.nii.gz",
        "series_005.nii.gz",
        "sub-01_acq-T1w_swi.nii.gz",
        "sub-01_space-T1w_desc-preproc_swi.nii.gz",
        "T1D_004.nii.gz",
        "T1D_FLAIRless_004_swi.nii.gz",
        "P01_T2.nii.gz",
        "T1_SWI.nii.gz",
        "Phase_1_SWI.nii.gz",
        "PH_017.nii.gz",
        "real_crop.nii.gz",
        "ven_bold.nii.gz",
        "brain.nii.gz",
        "SWI_registered_to_T1w.nii.gz",
        "study.zip",
        "FLAIR",
    ],
)
def test_a_good_name_is_not_doubted(tmp_path: Path, name: str):
    folder = tmp_path / "T1w phase mIP"
    assert doubts_about(folder / name, "swi") == ()


@pytest.mark.parametrize(
    "name", ["sub-01_part-mag_GRE.nii.gz", "Mag_Images_5.nii.gz", "sub-01_T2starw.nii.gz", "T2W_FFE_HEMO_3.nii.gz"]
)
def test_a_magnitude_as_swi_is_doubted(tmp_path: Path, name: str):
    (said,) = doubts_about(tmp_path / name, "swi")
    assert "its name says that it is a magnitude" in said
    assert doubts_about(tmp_path / name, "magnitude") == ()


def test_t1_may_be_a_visit(tmp_path: Path):
    (said,) = doubts_about(tmp_path / "P01_T1.nii.gz", "swi")
    assert "if T1 in its name is no visit" in said


class TestSidecar:
    def image(self, folder: Path, name: str, **content: object) -> Path:
        (folder / f"{name}.json").write_text(json.dumps(content))
        return folder / f"{name}.nii.gz"

    def test_its_image_type_outranks_the_name(self, tmp_path):
        image = self.image(tmp_path, "swi", ImageType=["ORIGINAL", "PRIMARY", "P", "ND"])
        with pytest.raises(InputError, match="its sidecar says that it is a phase image"):
            doubts_about(image, "swi")

    def test_its_description_counts_where_the_name_says_nothing(self, tmp_path):
        image = self.image(tmp_path, "a5", SeriesDescription="t2_FLAIR_sag")
        with pytest.raises(InputError, match="its sidecar says that it is a FLAIR image"):
            doubts_about(image, "swi")
        named = self.image(tmp_path, "swi", SeriesDescription="t2_FLAIR_sag")
        assert doubts_about(named, "swi") == ()

    def test_it_can_clear_a_name(self, tmp_path):
        image = self.image(tmp_path, "T1w", ImageType=["ORIGINAL", "PRIMARY", "M", "SWI"])
        assert doubts_about(image, "swi") == ()
