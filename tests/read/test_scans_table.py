"""The day of an acquisition in a BIDS table of scans."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from microbleeds.read.part import nifti_part
from microbleeds.read.scans_table import day_in_scans_table

NAME = "sub-01_ses-2_swi.nii.gz"
DAY = date(2024, 11, 30)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "sub-01" / "ses-2" / "anat" / NAME
    path.parent.mkdir(parents=True)
    return path


def write(image: Path, text: str, encoding: str = "utf-8") -> None:
    (image.parents[1] / "sub-01_ses-2_scans.tsv").write_text(text, encoding=encoding)


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("2024-11-30T10:15:00", DAY),
        ("2024-11-30T10:15:00.123Z", DAY),
        ("1863-11-30T10:15:00", date(1863, 11, 30)),
        ("1900-01-01T00:00:00", None),
        ("n/a", None),
        ("", None),
    ],
)
def test_as_it_is_written(image: Path, said: str, day: date | None) -> None:
    write(image, f"filename\tacq_time\nanat/other.nii.gz\t2001-02-03T00:00:00\nanat/{NAME}\t{said}\n")
    assert day_in_scans_table(image) == day


def test_excel_begins_a_file_with_a_mark(image: Path) -> None:
    write(image, f"filename\tacq_time\r\nanat/{NAME}\t2024-11-30\r\n", encoding="utf-8-sig")
    assert day_in_scans_table(image) == DAY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "filename\tacq_time\n",
        f"filename\nanat/{NAME}\n",
        f"filename\tacq_time\nanat/{NAME}\n",
        f"anat/{NAME}\t2024-11-30\n",
    ],
)
def test_what_says_nothing(image: Path, text: str) -> None:
    write(image, text)
    assert day_in_scans_table(image) is None


def test_what_can_not_be_read_is_passed_over(image: Path) -> None:
    assert day_in_scans_table(image) is None
    table = image.parents[1] / "sub-01_ses-2_scans.tsv"
    table.write_bytes(b"filename\tacq_time\n\xff\xfe\n")
    assert day_in_scans_table(image) is None
    table.unlink()
    table.mkdir()
    assert day_in_scans_table(image) is None


def test_the_sidecar_comes_first(image: Path) -> None:
    values = np.random.default_rng(0).uniform(1, 2, (16, 16, 12)).astype(np.float32)
    nib.save(nib.Nifti1Image(values, np.diag([1, 1, 2, 1.0])), image)
    write(image, f"filename\tacq_time\nanat/{NAME}\t2024-11-30\n")
    assert nifti_part(image).day == DAY
    image.with_name(NAME.replace(".nii.gz", ".json")).write_text('{"AcquisitionDate": "20240101"}')
    assert nifti_part(image).day == date(2024, 1, 1)
