"""Zips: unpacked safely, removed again, and refused when they are dangerous."""

from __future__ import annotations

import logging
import stat
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dicom_files import BIRTH, NAME, PATIENT, phase, pixels, save, slices

from microbleeds.errors import InputError
from microbleeds.read.dicom import archive
from microbleeds.read.dicom.parts import parts_of
from microbleeds.read.dicom.study import is_study, open_study
from microbleeds.read.dicom.voxels import read_voxels


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of our own for what is unpacked, so that left-overs are seen."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def zipped(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for file in sorted(folder.rglob("*")):
            out.write(file, f"{NAME}/{file.name}")
        out.writestr("README.txt", "no image")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as error, open_study(path):
        pass
    return str(error.value)


class TestUnpacked:
    def test_as_from_a_folder_and_gone_afterwards(self, tmp_path: Path, temporary: Path):
        path = zipped(tmp_path / "study.zip", save(tmp_path / "in", [*slices(), *phase()]))
        assert is_study(path)
        with open_study(path) as study:
            assert set(study.chosen) == {"swi", "phase"}
            np.testing.assert_array_equal(read_voxels(study.main).values, pixels(8).transpose(2, 1, 0))
            assert study.title == str(path)
            names = [file.name for file in temporary.rglob("*")]
            assert len(names) == 21
            assert not any("Zylber" in name for name in names)
        assert not list(temporary.iterdir())

    def test_gone_after_an_error(self, tmp_path: Path, temporary: Path):
        path = zipped(tmp_path / "study.zip", save(tmp_path / "in", phase()))
        assert "no SWI" in refusal(path)
        assert not list(temporary.iterdir())

    def test_readable_by_the_owner_only(self, tmp_path: Path, temporary: Path):
        path = zipped(tmp_path / "study.zip", save(tmp_path / "in", slices()))
        with open_study(path):
            assert stat.S_IMODE(next(temporary.iterdir()).stat().st_mode) == 0o700


def traversal(out: zipfile.ZipFile) -> None:
    out.writestr("../../outside.dcm", b"\0" * 128 + b"DICM")


def absolute(out: zipfile.ZipFile) -> None:
    out.writestr("/etc/outside.dcm", b"\0" * 128 + b"DICM")


def drive(out: zipfile.ZipFile) -> None:
    out.writestr("C:\\outside.dcm", b"\0" * 128 + b"DICM")


def link(out: zipfile.ZipFile) -> None:
    member = zipfile.ZipInfo("link")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    out.writestr(member, "/etc/passwd")


class TestRefused:
    @pytest.mark.parametrize(
        ("danger", "sentence"),
        [
            (traversal, "a path that leads outside"),
            (absolute, "a path that leads outside"),
            (drive, "a path that leads outside"),
            (link, "a symbolic link"),
        ],
    )
    def test_paths_and_links(
        self, tmp_path: Path, temporary: Path, danger: Callable[[zipfile.ZipFile], None], sentence: str
    ):
        path = tmp_path / "study.zip"
        with zipfile.ZipFile(path, "w") as out:
            danger(out)
        assert sentence in refusal(path)
        assert not list(temporary.iterdir())
        assert not (tmp_path / "outside.dcm").exists()

    def test_encrypted(self, tmp_path: Path):
        path = zipped(tmp_path / "study.zip", save(tmp_path / "in", slices()))
        content = bytearray(path.read_bytes())
        for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            start = content.find(mark)
            content[start + at] |= 1
        path.write_bytes(content)
        assert "encrypted" in refusal(path)

    def test_a_bomb(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(archive, "RATIO_MATTERS_FROM_BYTES", 2**20)
        path = tmp_path / "study.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            out.writestr("bomb.dcm", b"\0" * 128 + b"DICM" + b"\0" * 2**22)
        assert "which no study does" in refusal(path)

    def test_too_much(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(archive, "MOST_BYTES", 5000)
        path = zipped(tmp_path / "study.zip", save(tmp_path / "in", slices()))
        assert "which no study does" in refusal(path)

    def test_too_many(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(archive, "MOST_MEMBERS", 5)
        assert "11 files" in refusal(zipped(tmp_path / "study.zip", save(tmp_path / "in", slices())))

    def test_a_size_that_is_a_lie(self, tmp_path: Path, temporary: Path):
        path = zipped(tmp_path / "study.zip", save(tmp_path / "in", slices()))
        content = bytearray(path.read_bytes())
        start = content.find(b"PK\x01\x02")
        content[start + 24 : start + 28] = (200).to_bytes(4, "little")
        path.write_bytes(content)
        refusal(path)
        assert not list(temporary.iterdir())

    def test_damaged(self, tmp_path: Path):
        path = zipped(tmp_path / "study.zip", save(tmp_path / "in", slices()))
        content = bytearray(path.read_bytes())
        content[300:400] = b"\xff" * 100
        path.write_bytes(content)
        assert "is damaged" in refusal(path)

    def test_nothing_in_it(self, tmp_path: Path):
        path = tmp_path / "study.zip"
        with zipfile.ZipFile(path, "w") as out:
            out.writestr("README.txt", "no image")
        assert "There is no DICOM file" in refusal(path)


class TestPrivacy:
    """Nothing of the patient in what is said, kept or logged."""

    WORDS = ("zylberstein", "ottilie", PATIENT.lower(), BIRTH, "1937-09-14")

    def said(self, study) -> str:
        texts = [study.title, *study.notes, *study.reasons.values()]
        texts += [text for v in study.seen for text in (v.description, v.why, v.defect or "", *v.notes)]
        texts += [part.name for part in parts_of(study).values()]
        return " ".join(texts).lower()

    def test_names_and_numbers_are_taken_out(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ):
        caplog.set_level(logging.DEBUG)
        folder = tmp_path / "ZYLBERSTEIN_Ottilie_1937-09-14"
        images = [
            *slices(8, "SWI Zylberstein"),
            *phase(6, SeriesDescription=f"phase {PATIENT}"),
            *slices(9, "SWI Ottilie"),
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for image in images:
                image.AcquisitionDate = f"born {BIRTH}"
            save(folder, images)
        caplog.clear()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            with open_study(folder) as study:
                said = self.said(study)
        said += (
            caplog.text.lower() + "".join(capfd.readouterr()).lower() + str([str(w.message) for w in told]).lower()
        )
        assert not [word for word in self.WORDS if word in said]
        assert "SWI …" in {volume.description for volume in study.seen}

    def test_in_refusals(self, tmp_path: Path):
        save(tmp_path, slices(8, "T1 Zylberstein", ("ORIGINAL", "PRIMARY"), SequenceName="tfl", EchoTime="2"))
        said = refusal(tmp_path).lower()
        assert "t1 …" in said
        assert not [word for word in self.WORDS if word in said]

    def test_short_names_take_nothing_out(self, tmp_path: Path):
        images = slices(8, "SWI Mag Li", PatientName="Li^Bo", PatientID="7", PatientBirthDate="")
        with open_study(save(tmp_path, images)) as study:
            assert study.seen[0].description == "SWI Mag Li"
