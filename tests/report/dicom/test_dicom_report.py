"""The structured report, read back with highdicom."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import dicom_series
import pytest
from dicom_result import MADE, Written
from highdicom.sr import Comprehensive3DSR, srread
from little_head import Head

from microbleeds.errors import InputError
from microbleeds.regions import REGIONS
from microbleeds.report.dicom import Reading, Volumes, codes, source_of, write_dicom
from microbleeds.report.dicom.reading import person_name


@pytest.fixture(scope="module")
def document(written: Written) -> Comprehensive3DSR:
    return srread(written.folder / "sr.dcm")


def texts(document: Comprehensive3DSR) -> list[str]:
    words = document.content[0].ContentSequence[-1]
    return [item.value for item in words.ContentSequence]


def rewritten(written: Written, folder: Path, **options) -> Comprehensive3DSR:
    grid = written.head.scan.source_grid
    write_dicom(written.head.record, written.source, Volumes(grid), folder, created=MADE, **options)
    return srread(folder / "sr.dcm")


class TestFindings:
    def test_points_are_the_kept_findings_in_lps(self, document: Comprehensive3DSR, head: Head):
        groups = document.content.get_planar_roi_measurement_groups()
        points = [tuple(group.roi.value[0]) for group in groups]
        assert points == [pytest.approx(f.position_lps_mm, abs=1e-3) for f in head.record.kept]
        assert {str(group.roi.frame_of_reference_uid) for group in groups} == {"1.2.3.4.9"}
        assert [group.roi.graphic_type.value for group in groups] == ["POINT"] * len(points)

    def test_removed_findings_are_not_in_it(self, document: Comprehensive3DSR, head: Head):
        assert len(head.record.findings) > len(head.record.kept)
        names = {str(g.tracking_identifier) for g in document.content.get_planar_roi_measurement_groups()}
        assert names == {f"Microbleed {finding.id}" for finding in head.record.kept}

    def test_score_diameter_site_and_side(self, document: Comprehensive3DSR, head: Head):
        for group, finding in zip(
            document.content.get_planar_roi_measurement_groups(), head.record.kept, strict=True
        ):
            values = {m.name: (m.value, m.unit.value) for m in group.get_measurements()}
            assert values[codes.CERTAINTY_OF_FINDING] == (pytest.approx(100 * finding.score), "%")
            assert values[codes.DIAMETER] == (finding.diameter_mm, "mm")
            site, expected = group.finding_sites[0], codes.site_of(finding.region, finding.side)
            assert (site.value, site.laterality) == (expected.structure, expected.side)
            assert site.topographical_modifier == expected.modifier
            assert group.finding_type == codes.MICROBLEED

    def test_group_and_certainty(self, document: Comprehensive3DSR, head: Head):
        for group, finding in zip(
            document.content.get_planar_roi_measurement_groups(), head.record.kept, strict=True
        ):
            said = {e.name: e.value for e in group.get_qualitative_evaluations()}
            assert said[codes.GROUP] == codes.GROUPS[finding.group]
            assert said[codes.CERTAINTY] == codes.CERTAINTIES[finding.certainty]
            assert said[codes.READER_VERDICT] == codes.NOT_REVIEWED

    def test_an_unmeasured_diameter_is_left_out(self, written: Written, tmp_path: Path):
        record = written.head.record
        unmeasured = [f.model_copy(update={"diameter_mm": None}) for f in record.findings]
        changed = record.model_copy(update={"findings": unmeasured})
        write_dicom(changed, written.source, Volumes(written.head.scan.source_grid), tmp_path, created=MADE)
        for group in srread(tmp_path / "sr.dcm").content.get_planar_roi_measurement_groups():
            assert [m.name for m in group.get_measurements()] == [codes.CERTAINTY_OF_FINDING]


class TestCounts:
    def test_groups_rows_and_scale(self, document: Comprehensive3DSR, head: Head):
        (group,) = document.content.get_image_measurement_groups()
        numbers = {m.name.meaning: m.value for m in group.get_measurements()}
        counts = head.record.counts
        assert numbers["Number of lesions"] == counts.total == 3
        for name in ("lobar", "deep", "infratentorial", "definite", "possible"):
            assert numbers[f"Number of {name} microbleeds"] == getattr(counts, name)
        for row, number in counts.regions.items():
            assert numbers[f"Number, MARS region: {row}"] == number
        assert group.method == codes.MARS_SCALE

    def test_no_finding_still_makes_a_report(self, written: Written, tmp_path: Path):
        record = written.head.record
        counts = record.counts.model_copy(update={"total": 0, "lobar": 0, "deep": 0, "infratentorial": 0})
        empty = record.model_copy(update={"findings": [], "counts": counts})
        paths = write_dicom(empty, written.source, Volumes(written.head.scan.source_grid), tmp_path, created=MADE)
        assert [path.name for path in paths] == ["sr.dcm", "report.dcm"]
        (group,) = srread(tmp_path / "sr.dcm").content.get_image_measurement_groups()
        assert group.get_measurements()[0].value == 0


class TestDocument:
    def test_same_patient_and_study_another_series(self, document: Comprehensive3DSR):
        assert str(document.PatientName) == dicom_series.NAME
        assert document.PatientID == dicom_series.PATIENT_ID
        assert document.StudyInstanceUID == "1.2.3.4"
        assert document.AccessionNumber == "ACC-77"
        assert document.SeriesInstanceUID != "1.2.3.4.5"
        assert (document.SeriesNumber, document.Modality) == (791, "SR")

    def test_it_refers_to_every_searched_image(self, document: Comprehensive3DSR, written: Written):
        named = {str(entry[2]) for entry in document.get_evidence()}
        assert named == {header.SOPInstanceUID for header in written.source.headers}

    def test_research_use_and_not_reviewed(self, document: Comprehensive3DSR):
        assert document.VerificationFlag == "UNVERIFIED"
        assert document.PreliminaryFlag == "PRELIMINARY"
        words = " ".join(texts(document))
        assert "Research use. Not a medical device." in words
        assert "Not reviewed" in words
        assert "MARS" in words
        assert "unless the reader" not in words

    def test_no_path_of_this_machine(self, written: Written, head: Head, tmp_path: Path):
        files = {"swi": "/data/DOE^JANET/swi.nii.gz"}
        warned = ["The file /data/DOE^JANET/swi.nii.gz has no sidecar."]
        scan = head.record.scan.model_copy(update={"files": files})
        record = head.record.model_copy(update={"scan": scan, "warnings": warned})
        write_dicom(record, written.source, Volumes(head.scan.source_grid), tmp_path, created=MADE)
        words = " ".join(texts(srread(tmp_path / "sr.dcm")))
        assert "DOE" not in words
        assert "The file the swi has no sidecar." in words

    def test_algorithm_is_named_with_its_weights(self, document: Comprehensive3DSR, head: Head):
        text = document.to_json()
        assert f"weights_sha256={head.record.model.sha256}" in text
        assert "operating_point=balanced" in text


class TestIdentifiers:
    def test_the_same_result_gives_the_same_bytes(self, written: Written, tmp_path: Path):
        write_dicom(written.head.record, written.source, written.volumes, tmp_path, created=MADE)
        for path in sorted(written.folder.iterdir()):
            assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name

    def test_another_time_or_reading_gives_other_identifiers(self, written: Written, tmp_path: Path):
        grid = written.head.scan.source_grid
        options = [
            {"created": datetime(2026, 1, 4)},
            {"created": MADE, "reading": Reading({1: "accepted"}, "Ader^Rea")},
        ]
        uids = {str(written.read("sr.dcm").SOPInstanceUID)}
        for n, option in enumerate(options):
            write_dicom(written.head.record, written.source, Volumes(grid), tmp_path / str(n), **option)
            uids.add(str(srread(tmp_path / str(n) / "sr.dcm").SOPInstanceUID))
        assert len(uids) == 3

    def test_findings_keep_their_tracking_identifier_through_a_reading(self, written: Written, tmp_path: Path):
        read = rewritten(written, tmp_path, reading=Reading({1: "accepted"}, "Ader^Rea"))
        tracked = [
            [str(group.tracking_uid) for group in document.content.get_planar_roi_measurement_groups()]
            for document in (srread(written.folder / "sr.dcm"), read)
        ]
        assert tracked[0] == tracked[1]

    def test_all_identifiers_differ_and_fit(self, written: Written):
        uids = [written.read(path.name).SOPInstanceUID for path in written.folder.iterdir()]
        assert len(set(uids)) == len(uids) == 5
        assert all(len(uid) <= 64 and uid.startswith("2.25.") for uid in uids)
        assert len({written.read(name).SeriesInstanceUID for name in ("report.dcm", "report-2.dcm")}) == 1


class TestReading:
    def test_verdicts_stand_at_the_findings(self, written: Written, tmp_path: Path):
        reading = Reading({1: "accepted", 2: "uncertain"}, "Ader^Rea")
        document = rewritten(written, tmp_path, reading=reading)
        said = [
            {e.name: e.value for e in group.get_qualitative_evaluations()}[codes.READER_VERDICT]
            for group in document.content.get_planar_roi_measurement_groups()
        ]
        verdicts = codes.READER_VERDICTS
        assert said == [verdicts["accepted"], verdicts["uncertain"], codes.NOT_REVIEWED]
        assert document.VerificationFlag == "UNVERIFIED"
        assert "1 are listed without a verdict" in " ".join(texts(document))

    def test_counts_are_reviewed_whatever_the_verdicts(self, written: Written, tmp_path: Path):
        """Nothing was accepted; the counts as a whole have no verdict."""
        verdicts = {finding.id: "uncertain" for finding in written.head.record.kept}
        document = rewritten(written, tmp_path, reading=Reading(verdicts, "Ader^Rea"))
        (group,) = document.content.get_image_measurement_groups()
        said = {e.name: e.value for e in group.get_qualitative_evaluations()}
        assert said[codes.READER_VERDICT] == codes.REVIEWED
        assert "unless the reader decided." in " ".join(texts(document))

    def test_a_whole_reading_of_a_named_reader_verifies(self, written: Written, tmp_path: Path):
        verdicts = {finding.id: "accepted" for finding in written.head.record.kept}
        signed = datetime(2026, 1, 5, 9)
        document = rewritten(written, tmp_path, reading=Reading(verdicts, "Ader^Rea", "General Hospital", signed))
        assert document.VerificationFlag == "VERIFIED"
        observer = document.VerifyingObserverSequence[0]
        assert (str(observer.VerifyingObserverName), observer.VerifyingOrganization) == (
            "Ader^Rea",
            "General Hospital",
        )
        assert str(observer.VerificationDateTime).startswith("20260105090000")
        assert len(document.content.get_observer_contexts()) == 2

    def test_an_added_finding_has_no_score_and_no_algorithm(self, written: Written, tmp_path: Path):
        document = rewritten(written, tmp_path, reading=Reading({1: "added"}, "Ader^Rea"))
        first = document.content.get_planar_roi_measurement_groups()[0]
        assert [m.name for m in first.get_measurements()] == [codes.DIAMETER]
        assert "Algorithm Name" not in str(first)

    def test_a_rejected_finding_that_counts_is_refused(self, written: Written, tmp_path: Path):
        with pytest.raises(InputError, match="Finding 1 was rejected"):
            rewritten(written, tmp_path, reading=Reading({1: "rejected"}, "Ader^Rea"))

    @pytest.mark.parametrize(
        ("given", "expected"), [("Ader^Rea", "Ader^Rea"), ("Dr. A=B\\C", "Dr. A B C^"), ("x" * 90, "x" * 63 + "^")]
    )
    def test_names_of_readers(self, given: str, expected: str):
        assert person_name(given) == expected


class TestCharacterSets:
    @pytest.mark.parametrize(
        ("character_set", "name"),
        [
            (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
            ("ISO_IR 126", "Διονυσιος^Νικος"),
            ("ISO_IR 192", "Zoë^Łukasz"),
        ],
    )
    def test_names_survive(self, written: Written, tmp_path: Path, character_set: object, name: str):
        headers = dicom_series.series(written.head.scan.source_grid)
        for header in headers:
            header.SpecificCharacterSet = character_set
            header.PatientName = name
        # As a scanner's file: encoded, then read again.
        files = []
        for n, header in enumerate(headers):
            header.save_as(tmp_path / f"{n}.dcm", enforce_file_format=True)
            files.append(tmp_path / f"{n}.dcm")
        from pydicom import dcmread

        source = source_of([dcmread(path, stop_before_pixels=True) for path in files])
        out = tmp_path / "out"
        write_dicom(written.head.record, source, Volumes(written.volumes.grid), out, created=MADE)
        for path in out.iterdir():
            assert str(dcmread(path).PatientName) == name, path.name


class TestCodes:
    def test_every_counting_region_has_a_site(self):
        named = {}
        for code in codes.counting_regions():
            region = REGIONS[code]
            site = codes.site_of(region.name, region.side)
            assert site.side is not None
            key = (site.structure.value, site.modifier and site.modifier.value, site.side.value)
            assert key not in named, f"{region} and {named[key]} have the same codes"
            named[key] = region

    def test_an_unknown_place_is_the_brain(self):
        assert codes.site_of(None, "none").structure.meaning == "Brain"


class TestBadSource:
    def test_no_image(self):
        with pytest.raises(InputError, match="No DICOM image"):
            source_of([])

    @pytest.mark.parametrize(
        ("name", "value", "sentence"),
        [
            ("PatientID", "ANOTHER", "more than one patient"),
            ("SeriesInstanceUID", "1.2.9", "differ in their SeriesInstanceUID"),
            ("FrameOfReferenceUID", None, "no Frame of Reference"),
            ("ImagePositionPatient", None, "lacks its position"),
        ],
    )
    def test_unusable_headers(self, written: Written, name: str, value: object, sentence: str):
        headers = dicom_series.series(written.head.scan.source_grid)
        setattr(headers[3], name, value)
        with pytest.raises(InputError, match=sentence):
            source_of(headers)

    def test_odd_but_harmless_headers(self, written: Written, tmp_path: Path):
        headers = dicom_series.series(written.head.scan.source_grid)
        for header in headers:
            del header.AccessionNumber, header.StudyID, header.SeriesNumber
            header.PatientSex, header.StudyTime = "", None
        source = source_of(headers)
        write_dicom(written.head.record, source, Volumes(written.head.scan.source_grid), tmp_path, created=MADE)
        assert srread(tmp_path / "sr.dcm").SeriesNumber == 91
