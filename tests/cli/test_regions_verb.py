"""`microbleeds regions`, with a segmentation that says what it would on a little head."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from little_card import little_anatomy_card
from microbleeds import region_map
from microbleeds.cli import main
from microbleeds.region_map import RegionRequest, map_regions
from microbleeds.regions import code_of
from microbleeds.scan import Scan
from microbleeds.segmentation import Segmentation

FILES = {"regions.nii.gz", "regions.tsv", "regions.json", "brain.nii.gz", "regions.html", "run.json"}


def run(*arguments: object) -> int:
    """Return the exit code."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A bright ball in LPS order."""
    shape = (72, 72, 22)
    affine = np.diag([-1.2, -1.2, 4.0, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    inside = np.linalg.norm(index @ affine[:3, :3].T + affine[:3, 3], axis=-1) < 36
    image = np.where(inside, 300.0, 5.0) + np.random.default_rng(0).normal(0, 3, shape)
    path = tmp_path / "in" / "scan.nii.gz"
    path.parent.mkdir()
    nib.save(nib.Nifti1Image(image.astype(np.float32), affine), path)
    return path


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the segmentation says beyond its usual; tests change it."""
    changes: dict[str, object] = {}

    def segment(scan: Scan, network: object, compute: object, card: object) -> Segmentation:
        brain = scan.swi > 150
        right = (
            scan.grid.to_mm(np.stack(np.meshgrid(*map(np.arange, scan.grid.shape), indexing="ij"), -1))[..., 0] > 0
        )
        codes = np.where(right, code_of("thalamus", "right"), code_of("thalamus", "left"))
        regions = np.where(brain, codes, 0).astype(np.uint8)
        found = Segmentation(scan.grid, brain, regions, np.eye(4), True, True)
        return replace(found, **changes)

    monkeypatch.setattr(region_map, "segment", segment)
    monkeypatch.setattr(region_map, "anatomy_of", lambda weights: (None, little_anatomy_card()))
    return changes


@pytest.mark.usefixtures("answer")
class TestRegions:
    def test_texts_serve_as_paths(self, scan, tmp_path):
        map_regions(RegionRequest(str(scan), str(tmp_path / "out"), device="cpu"))
        assert {path.name for path in (tmp_path / "out").iterdir()} == FILES

    def test_warnings_on_the_header_are_said_everywhere(self, scan, tmp_path, capsys):
        image = nib.load(scan)
        bare = nib.Nifti1Image(np.asarray(image.dataobj), None)
        bare.header.set_zooms(image.header.get_zooms())
        nib.save(bare, scan)
        out = tmp_path / "out"
        assert run("regions", scan, "--out", out, "--device", "cpu") == 0
        said = capsys.readouterr().err
        assert "left and right" in said
        assert "No phase" not in said
        assert "left and right" in json.dumps(json.loads((out / "regions.json").read_text())["Warnings"])
        assert "left and right" in (out / "regions.html").read_text()

    def test_writes_everything_on_the_input_grid(self, scan, tmp_path, capsys):
        out = tmp_path / "out"
        assert run("regions", scan, "--out", out, "--device", "cpu") == 0
        assert {path.name for path in out.iterdir()} == FILES
        source = nib.load(scan)
        for name in ("regions.nii.gz", "brain.nii.gz"):
            image = nib.load(out / name)
            assert image.shape == source.shape
            np.testing.assert_allclose(image.affine, source.affine)
        codes = np.asarray(nib.load(out / "regions.nii.gz").dataobj)
        assert codes[24, 36, 11] == code_of("thalamus", "right"), "the file's first axis runs to the left"
        assert codes[48, 36, 11] == code_of("thalamus", "left")
        said = " ".join(capsys.readouterr().out.split())
        assert "thalamus" in said
        numbers = re.search(r"Brain without fluid (\d+) ml, search mask (\d+) ml", said)
        assert numbers is not None
        assert f"Brain without ventricles and other fluid: {numbers[1]} ml" in (out / "regions.html").read_text()

    def test_run_record(self, scan, tmp_path):
        run("regions", scan, "--out", tmp_path / "out", "--device", "cpu")
        written = json.loads((tmp_path / "out" / "run.json").read_text())
        assert set(written["seconds"]) == {"read", "segment", "write"}
        assert len(written["inputs_sha256"]["scan"]) == len(written["weights_sha256"]["anatomy"]) == 64

    def test_page_needs_nothing_from_elsewhere(self, scan, tmp_path):
        run("regions", scan, "--out", tmp_path / "out")
        sources: list[str] = []

        class Page(HTMLParser):
            def handle_starttag(self, tag, attributes):
                sources.extend(value or "" for name, value in attributes if name in ("src", "href"))

        text = (tmp_path / "out" / "regions.html").read_text(encoding="utf-8")
        Page().feed(text)
        assert len(sources) == 2 * 16, "each slice and its regions"
        assert all(source.startswith("data:") for source in sources)
        assert "Thalamus" in text
        assert "looks wrong" not in text
        assert "Not a medical device" in text

    def test_a_doubt_is_said(self, scan, tmp_path, answer, capsys):
        answer |= {"confident": False, "warnings": ("The brain mask holds 9 ml.",)}
        assert run("regions", scan, "--out", tmp_path / "out") == 0
        assert "9 ml" in capsys.readouterr().err
        assert "looks wrong" in (tmp_path / "out" / "regions.html").read_text(encoding="utf-8")
        assert json.loads((tmp_path / "out" / "regions.json").read_text())["Confident"] is False

    def test_without_regions_there_is_a_brain_alone(self, scan, tmp_path, answer):
        answer |= {"located": False, "confident": False}
        assert run("regions", scan, "--out", tmp_path / "out") == 0
        assert {path.name for path in (tmp_path / "out").iterdir()} == {"brain.nii.gz", "regions.html", "run.json"}
        assert "regions are unknown" in (tmp_path / "out" / "regions.html").read_text(encoding="utf-8")

    def test_overwrite_only_an_earlier_result(self, scan, tmp_path, capsys):
        out = tmp_path / "out"
        assert run("regions", scan, "--out", out) == 0
        assert run("regions", scan, "--out", out) == 2
        assert run("regions", scan, "--out", out, "--overwrite") == 0
        assert run("regions", scan, "--out", scan.parent, "--overwrite") == 2
        assert "holds the scan" in capsys.readouterr().err
        assert scan.exists()
        (out / "run.json").unlink()
        assert run("regions", scan, "--out", out, "--overwrite") == 2


class TestErrors:
    def test_missing_scan(self, tmp_path, capsys):
        assert run("regions", tmp_path / "no.nii.gz", "--out", tmp_path / "out") == 2
        assert "no.nii.gz" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == [], "nothing half-written stays"


class TestWeights:
    @pytest.mark.parametrize("name", ["missing.safetensors", "detector.safetensors"])
    def test_what_is_none_of_the_anatomy_is_refused(self, name, scan, tmp_path, capsys):
        weights = tmp_path / name
        if name == "detector.safetensors":
            weights.write_bytes(b"numbers")
            weights.with_suffix(".json").write_text('{"name": "a detector"}')
        assert run("regions", scan, "--out", tmp_path / "out", "--device", "cpu", "--weights", weights) == 2
        said = capsys.readouterr().err
        assert name.removesuffix(".safetensors") in said
        assert "give the file that train-anatomy wrote" in said
        assert not (tmp_path / "out").exists()
