"""Regions on the input grid, with their table."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from little_head import Head, segmented

from microbleeds.regions import CSF, REGIONS, VENTRICLE, code_of
from microbleeds.report.region_table import colour_of, region_name
from microbleeds.report.regions_image import segmentation_record, write_regions


@pytest.fixture
def folder(head: Head, tmp_path):
    write_regions(segmented(head), head.scan, tmp_path)
    return tmp_path


def table(folder):
    with (folder / "regions.tsv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


class TestImage:
    def test_lies_on_the_input_grid(self, head: Head, folder):
        image = nib.load(folder / "regions.nii.gz")
        assert image.shape == head.scan.source_grid.shape
        assert image.get_data_dtype() == np.uint8
        np.testing.assert_allclose(image.affine, head.scan.source_grid.affine)

    @pytest.mark.parametrize(
        ("position_mm", "name", "side"),
        [
            ((-12, 2, 3), "thalamus", "left"),
            ((12, 2, 3), "thalamus", "right"),
            ((12, -12, -24), "cerebellum", "right"),
        ],
    )
    def test_says_the_same_of_a_place(self, head: Head, folder, position_mm, name, side):
        codes = np.asarray(nib.load(folder / "regions.nii.gz").dataobj)
        ijk = np.rint(head.scan.source_grid.to_ijk(position_mm)).astype(int)
        assert codes[tuple(ijk)] == code_of(name, side)

    def test_nothing_is_written_where_the_regions_are_unknown(self, head: Head, tmp_path):
        write_regions(replace(segmented(head), located=False), head.scan, tmp_path)
        assert list(tmp_path.iterdir()) == []


class TestTable:
    def test_follows_bids(self, folder):
        rows = table(folder)
        assert list(rows[0])[:4] == ["index", "name", "abbreviation", "color"]
        assert [int(row["index"]) for row in rows] == list(REGIONS)
        assert len({row["name"] for row in rows}) == len({row["abbreviation"] for row in rows}) == len(rows)
        assert all(len(row["color"]) == 7 and int(row["color"][1:], 16) >= 0 for row in rows)

    def test_names_values_of_the_image(self, folder):
        codes = np.unique(np.asarray(nib.load(folder / "regions.nii.gz").dataobj))
        assert set(codes.tolist()) <= {int(row["index"]) for row in table(folder)}

    def test_groups_by_each_scale(self, folder):
        rows = {row["name"]: row for row in table(folder)}
        callosum = rows["left_corpus_callosum"]
        assert [callosum[f"{scale}_group"] for scale in ("mars", "bombs", "kim")] == ["deep", "lobar", "lobar"]
        assert rows["right_frontal_cortex"]["mars_row"] == "frontal"
        assert rows["csf"]["mars_row"] == "n/a"

    def test_volumes(self, head: Head, folder):
        rows = {row["name"]: row for row in table(folder)}
        codes = segmented(head).regions
        expected_ml = (codes == code_of("thalamus", "left")).sum() * 3.0 / 1000
        assert float(rows["left_thalamus"]["volume_ml"]) == pytest.approx(expected_ml, abs=5e-4)
        assert rows["outside"]["volume_ml"] == "n/a"
        record = segmentation_record(segmented(head))
        assert {r.name: r.volume_ml for r in record.regions}["left_thalamus"] == pytest.approx(
            expected_ml, abs=5e-4
        )
        assert record.brain_ml == pytest.approx(head.brain.sum() * 0.003, abs=0.1)

    def test_the_brain_is_without_fluid(self, head: Head, tmp_path):
        seen = segmented(head)
        seen.regions[seen.regions == code_of("cerebellum", "left")] = CSF
        solid_ml = (~np.isin(seen.regions, (0, CSF, VENTRICLE))).sum() * 0.003
        assert segmentation_record(seen).parenchyma_ml == pytest.approx(solid_ml, abs=0.1)
        assert segmentation_record(replace(seen, located=False)).parenchyma_ml is None
        write_regions(seen, head.scan, tmp_path)
        sidecar = json.loads((tmp_path / "regions.json").read_text(encoding="utf-8"))
        assert sidecar["BrainVolumeMl"] == pytest.approx(solid_ml, abs=0.1)
        assert sidecar["SearchMaskVolumeMl"] == pytest.approx(head.brain.sum() * 0.003, abs=0.1)

    def test_every_region_has_a_look(self):
        assert all(colour_of(region).startswith("#") and region_name(region) for region in REGIONS.values())

    def test_sidecar_says_how_sure(self, head: Head, tmp_path):
        write_regions(replace(segmented(head), confident=False, warnings=("Odd.",)), head.scan, tmp_path)
        sidecar = json.loads((tmp_path / "regions.json").read_text(encoding="utf-8"))
        assert (sidecar["Confident"], sidecar["Manual"]) == (False, False)
        assert sidecar["Warnings"] == [*head.scan.image_warnings, "Odd."]
