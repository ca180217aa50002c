"""Segmentations, read back with highdicom to the same places in the world."""

from __future__ import annotations

from pathlib import Path

import dicom_series
import highdicom as hd
import numpy as np
import pydicom
import pytest
from dicom_result import MADE, Written
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from scipy.spatial.transform import Rotation

from microbleeds.errors import InputError
from microbleeds.geometry import Grid, canonical
from microbleeds.read.dicom.series import DicomSeries, SourceInstance
from microbleeds.regions import REGIONS, code_of
from microbleeds.report.dicom import Reading, codes, source_of, source_of_volume, write_dicom
from microbleeds.report.dicom.identifiers import stamp_of
from microbleeds.report.dicom.segmentation import findings_segmentation, regions_segmentation
from microbleeds.report.dicom.source import on_frames
from microbleeds.report.labels import label_volume
from microbleeds.report.record import Record

SHAPE, SPACING_MM = (22, 26, 9), (0.9, 1.1, 3.0)
_FLIP = np.diag([1.0, 1.0, -1.0])
ORIENTATIONS = {
    "axial": np.diag([-1.0, -1.0, 1.0]),
    "axial, slices downwards": np.diag([-1.0, -1.0, -1.0]),
    "axial, all axes turned": np.eye(3),
    "sagittal": np.array([[0, 0, -1.0], [-1.0, 0, 0], [0, -1.0, 0]]),
    "coronal, slices backwards": np.array([[-1.0, 0, 0], [0, 0, -1.0], [0, -1.0, 0]]),
    "oblique": Rotation.from_euler("xyz", [17, -23, 8], degrees=True).as_matrix() @ np.diag([-1.0, -1.0, 1.0]),
    "double oblique, left-handed": Rotation.from_euler("zyx", [31, 12, -40], degrees=True).as_matrix() @ _FLIP,
}


def grid_of(name: str) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = ORIENTATIONS[name] * SPACING_MM
    affine[:3, 3] = (13.0, -42.5, 7.25)
    return Grid(SHAPE, affine)


def some_regions(seed: int = 0) -> NDArray[np.uint8]:
    """Lumps of three regions without any symmetry."""
    rng = np.random.default_rng(seed)
    volume = np.zeros(SHAPE, dtype=np.uint8)
    chosen = [code_of("frontal_white", "left"), code_of("thalamus", "right"), code_of("cerebellum", "left")]
    for code in chosen:
        i, j, k = (rng.integers(0, n - 4) for n in SHAPE)
        volume[i : i + 4, j : j + 3, k : k + 2] = code
    volume[0, 0, 0] = chosen[0]
    return volume


def voxels_of(segmentation: hd.seg.Segmentation, grid: Grid) -> dict[str, set[tuple[int, ...]]]:
    """Label to the grid's voxels at which highdicom's reader places its pixels in the world."""
    volume = segmentation.get_volume(combine_segments=False)
    found = {}
    for n, number in enumerate(segmentation.segment_numbers):
        lps_mm = volume.map_indices_to_reference(np.argwhere(volume.array[..., n]))
        ijk = grid.to_ijk(lps_mm * (-1, -1, 1))
        assert np.abs(ijk - np.rint(ijk)).max() < 0.01
        label = segmentation.get_segment_description(number).segment_label
        found[label] = {tuple(voxel) for voxel in np.rint(ijk).astype(int).tolist()}
    return found


def expected_voxels(volume: NDArray) -> dict[str, set[tuple[int, ...]]]:
    found = {}
    for code in np.unique(volume[volume > 0]):
        region = REGIONS[int(code)]
        name = f"{region.side.capitalize()} {region.name.replace('_', ' ')}"
        found[name] = {tuple(voxel) for voxel in np.argwhere(volume == code).tolist()}
    return found


def built(record: Record, headers: list, volume: NDArray, grid: Grid, slices=None) -> hd.seg.Segmentation:
    source = source_of(headers, slices)
    stamp = stamp_of(record, "1.2.3.4.5", 7, MADE, Reading())
    return regions_segmentation(record, volume, grid, source, stamp)


def again(segmentation: hd.seg.Segmentation, folder: Path) -> hd.seg.Segmentation:
    segmentation.save_as(folder / "seg.dcm")
    return hd.seg.segread(folder / "seg.dcm")


class TestGeometry:
    @pytest.mark.parametrize("name", ORIENTATIONS)
    def test_round_trip_to_the_same_voxels(self, written: Written, name: str, tmp_path: Path):
        grid, volume = grid_of(name), some_regions()
        made = built(written.head.record, dicom_series.series(grid), volume, grid)
        assert voxels_of(again(made, tmp_path), grid) == expected_voxels(volume)

    @pytest.mark.parametrize("name", ["axial", "sagittal", "oblique"])
    def test_images_in_any_order(self, written: Written, name: str, tmp_path: Path):
        grid, volume = grid_of(name), some_regions(1)
        headers = dicom_series.series(grid)
        shuffled = [headers[n] for n in np.random.default_rng(2).permutation(len(headers))]
        made = built(written.head.record, shuffled, volume, grid)
        assert voxels_of(again(made, tmp_path), grid) == expected_voxels(volume)

    @pytest.mark.parametrize("name", ["axial", "sagittal", "double oblique, left-handed"])
    def test_result_of_a_file_stored_in_other_axes(self, written: Written, name: str, tmp_path: Path):
        """A converter turns the axes of the NIfTI; the places in the world are what counts."""
        series_grid, volume = grid_of(name), some_regions(3)
        turned, turned_grid = canonical(volume, series_grid)
        made = built(written.head.record, dicom_series.series(series_grid), turned, turned_grid)
        assert voxels_of(again(made, tmp_path), series_grid) == expected_voxels(volume)

    @pytest.mark.parametrize("others", [0, 2])
    def test_multi_frame(self, written: Written, others: int, tmp_path: Path):
        grid, volume = grid_of("oblique"), some_regions(4)
        header = dicom_series.multi_frame(grid, others)
        slices = [(0, (others + 1) * (k + 1)) for k in range(SHAPE[2])]
        made = built(written.head.record, [header], volume, grid, slices)
        assert voxels_of(again(made, tmp_path), grid) == expected_voxels(volume)

    def test_multi_frame_volume_as_it_was_read(self, tmp_path: Path):
        """A file with two kinds of frames in turn; the volume is every second one."""
        grid, volume = grid_of("sagittal"), some_regions(5)
        header = dicom_series.multi_frame(grid, others=1)
        header.save_as(tmp_path / "all.dcm", enforce_file_format=True)
        instances = [
            SourceInstance(tmp_path / "all.dcm", header.SOPClassUID, header.SOPInstanceUID, 2 * (k + 1))
            for k in range(SHAPE[2])
        ]
        read = DicomSeries("1.2.3.4.5", 7, "SWI", "swi", "", tuple(instances), "1.2.3.4", "1.2.3.4.9", grid)
        source = source_of_volume(read)
        assert [frame.number for frame in source.frames] == list(range(2, 2 * SHAPE[2] + 1, 2))
        expected = np.moveaxis(volume, (0, 1, 2), (2, 1, 0))
        np.testing.assert_array_equal(on_frames(volume, grid, source), expected)

    @pytest.mark.parametrize(
        ("tag", "vr", "value"), [("SliceThickness", "DS", b"n/a "), ("PatientName", "PN", b"A^B\\C^D ")]
    )
    def test_odd_headers(self, written: Written, tmp_path: Path, tag: str, vr: str, value: bytes):
        headers = dicom_series.series(written.volumes.grid)
        for header in headers:
            number = Tag(tag)
            header[number] = RawDataElement(number, vr, len(value), value, 0, False, True)
        write_dicom(written.head.record, source_of(headers), written.volumes, tmp_path / "out", created=MADE)
        names = {str(pydicom.dcmread(path).PatientName) for path in (tmp_path / "out").iterdir()}
        assert len(names) == 1
        assert "\\" not in names.pop()

    def test_another_series_is_refused(self, written: Written):
        grid = grid_of("axial")
        elsewhere = Grid(SHAPE, np.array(grid.affine) + np.diag([0.4, 0, 0, 0.0]))
        with pytest.raises(InputError, match="don't lie on the voxels"):
            on_frames(some_regions(), grid, source_of(dicom_series.series(elsewhere)))

    def test_a_missing_slice_with_something_on_it_is_refused(self):
        grid, volume = grid_of("axial"), some_regions()
        k = int(np.argwhere(volume)[-1, 2])
        headers = dicom_series.series(grid)
        with pytest.raises(InputError, match="8 images of the series don't cover"):
            on_frames(volume, grid, source_of(headers[:k] + headers[k + 1 :]))


class TestFindings:
    def test_one_segment_each_tied_to_the_report(self, written: Written):
        segmentation = hd.seg.segread(written.folder / "seg.dcm")
        report = hd.sr.srread(written.folder / "sr.dcm")
        groups = report.content.get_planar_roi_measurement_groups()
        segments = [segmentation.get_segment_description(n) for n in segmentation.segment_numbers]
        assert [s.tracking_uid for s in segments] == [str(g.tracking_uid) for g in groups]
        assert [s.segment_label for s in segments] == [str(g.tracking_identifier) for g in groups]
        assert segmentation.SegmentationType == "BINARY"
        assert segmentation.FrameOfReferenceUID == "1.2.3.4.9"

    def test_each_segment_surrounds_its_point(self, written: Written):
        grid = written.head.scan.source_grid
        voxels = voxels_of(hd.seg.segread(written.folder / "seg.dcm"), grid)
        for finding in written.head.record.kept:
            assert finding.position_ijk in voxels[f"Microbleed {finding.id}"]
            reach = grid.to_mm(sorted(voxels[f"Microbleed {finding.id}"])) - finding.position_ras_mm
            assert np.linalg.norm(reach, axis=1).max() < 1.7

    def test_ids_with_gaps_after_a_reading(self, written: Written, tmp_path: Path):
        record, grid = written.head.record, written.head.scan.source_grid
        findings = [f.model_copy(update={"kept": f.kept and f.id != 2}) for f in record.findings]
        read = record.model_copy(update={"findings": findings})
        stamp = stamp_of(read, "1.2.3.4.5", 7, MADE, Reading())
        labels = label_volume(findings, grid)
        made = findings_segmentation(read, labels, grid, written.source, stamp, Reading({1: "added"}))
        assert made is not None
        segments = again(made, tmp_path).SegmentSequence
        assert [(s.SegmentNumber, s.SegmentLabel) for s in segments] == [(1, "Microbleed 1"), (2, "Microbleed 3")]
        assert [s.SegmentAlgorithmType for s in segments] == ["MANUAL", "AUTOMATIC"]

    def test_nothing_to_draw(self, written: Written):
        record, grid = written.head.record, written.head.scan.source_grid
        stamp = stamp_of(record, "1.2.3.4.5", 7, MADE, Reading())
        empty = np.zeros(grid.shape, dtype=np.uint16)
        assert findings_segmentation(record, empty, grid, written.source, stamp, Reading()) is None

    def test_side_and_part_are_modifiers(self, written: Written):
        first = written.read("seg.dcm").SegmentSequence[0]
        region = first.AnatomicRegionSequence[0]
        assert region.CodeMeaning == "Frontal lobe"
        assert [m.CodeMeaning for m in region.AnatomicRegionModifierSequence] == ["Cerebral White Matter", "Left"]


class TestRegions:
    def test_segments_are_the_regions_that_count(self, written: Written):
        labels = [segment.SegmentLabel for segment in written.read("regions.dcm").SegmentSequence]
        assert labels == ["Left frontal white", "Right periventricular white"]

    def test_each_side_has_its_own_modifier(self, written: Written):
        volume = np.zeros(SHAPE, dtype=np.uint8)
        for n, side in enumerate(("left", "right", "left")):
            volume[5 * n, :4, :3] = code_of("frontal_white" if n < 2 else "frontal_cortex", side)
        grid = grid_of("axial")
        for segment in built(written.head.record, dicom_series.series(grid), volume, grid).SegmentSequence:
            kind = segment.SegmentedPropertyTypeCodeSequence[0]
            part, side = (m.CodeMeaning for m in kind.SegmentedPropertyTypeModifierCodeSequence)
            assert segment.SegmentLabel.startswith(side)
            assert ("White" in part) == segment.SegmentLabel.endswith("white")

    def test_fluid_makes_no_segment(self, written: Written):
        assert code_of("csf") not in codes.counting_regions()
        fluid = np.where(some_regions() > 0, code_of("csf"), 0).astype(np.uint8)
        grid = grid_of("axial")
        assert built(written.head.record, dicom_series.series(grid), fluid, grid) is None
