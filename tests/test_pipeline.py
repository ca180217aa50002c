"""The whole way on a little head; the networks are replaced by what they would say."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from little_card import little_anatomy_card
from microbleeds import pipeline, search
from microbleeds.cli.app import main
from microbleeds.detect import DetectSettings
from microbleeds.errors import InputError
from microbleeds.networks.config import DetectorConfig
from microbleeds.pipeline import Request, run
from microbleeds.prepare import PreparationSpec, Prepared
from microbleeds.regions import code_of
from microbleeds.report.record import read_record
from microbleeds.report.run_record import RunRecord, sha256_of
from microbleeds.scan import Candidate, Scan
from microbleeds.segmentation import Segmentation
from microbleeds.weights.card import Calibration, Card, OperatingPoints, Scoring, TrainingDescription

BLEED_MM = (12.0, -9.0, 6.0)
REGIONS = {"regions.nii.gz", "regions.tsv", "regions.json"}
FILES = {
    "findings.json",
    "findings.tsv",
    "labels.nii.gz",
    "brain.nii.gz",
    "report.html",
    "review.html",
    "run.json",
} | REGIONS


@dataclass(frozen=True, eq=False)
class FakeDetector:
    model: object
    card: Card


def card() -> Card:
    return Card(
        name="fake",
        package_version="0",
        created="2025-01-01T00:00:00Z",
        sha256="ab" * 32,
        architecture=DetectorConfig(),
        preparation=PreparationSpec(spacing_mm=(1.2, 1.2, 3.0)),
        training=TrainingDescription(data="toy", subjects=3, preset="default", steps=1, seed=0, minutes=0.1),
        operating_points=OperatingPoints(balanced=0.6, screening=0.2),
    )


def ball(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Distance from the middle as a share of an ellipsoid's radius."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
    return np.linalg.norm((index @ affine[:3, :3].T + affine[:3, 3]) / (40, 48, 40), axis=-1)


@pytest.fixture
def study(tmp_path: Path) -> dict[str, Path]:
    """An SWI and its phase in LPS order with a dark bleed."""
    shape = (80, 96, 32)
    affine = np.diag([-1.2, -1.2, 3.0, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    generator = np.random.default_rng(1)
    inside = ball(shape, affine) < 1
    swi = np.where(inside, 400 + generator.normal(0, 10, shape), generator.uniform(1, 15, shape))
    i, j, k = np.round(np.linalg.inv(affine) @ (*BLEED_MM, 1))[:3].astype(int)
    swi[i - 1 : i + 2, j - 1 : j + 2, k] = 20
    phase = generator.normal(0, 0.05, shape)
    phase[i - 1 : i + 2, j - 1 : j + 2, k] = 1.5
    paths = {"swi": tmp_path / "in" / "swi.nii.gz", "phase": tmp_path / "in" / "phase.nii.gz"}
    paths["swi"].parent.mkdir()
    nib.save(nib.Nifti1Image(swi.astype(np.float32), affine), paths["swi"])
    nib.save(
        nib.Nifti1Image((phase + np.pi * (ball(shape, affine) > 1.2)).astype(np.float32), affine), paths["phase"]
    )
    return paths


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins for the two networks: they say what they would on the little head."""

    def segment(scan: Scan, network: object = None, compute: object = None, card: object = None) -> Segmentation:
        brain = ball(scan.grid.shape, scan.grid.affine) < 1
        regions = np.where(brain, code_of("thalamus", "right"), 0).astype(np.uint8)
        return Segmentation(scan.grid, brain, regions, np.eye(4), True, True, ("Said by the segmentation.",))

    def detect(prepared: Prepared, model: object, settings: object, compute: object) -> list[Candidate]:
        assert prepared.brain.any()
        return [Candidate(BLEED_MM, 0.93, 3.0), Candidate((-12.0, 0.0, 0.0), 0.4), Candidate((90.0, 0, 0), 0.9)]

    def look_again(
        prepared: Prepared, model: object, candidates: list[Candidate], counted: list[bool], *_: object
    ) -> list[Candidate]:
        return [
            replace(c, score_range=(0.4, c.score)) if n else c for c, n in zip(candidates, counted, strict=True)
        ]

    def segment_without(scan: Scan, found: Segmentation, spots: list[Candidate], *_: object) -> Segmentation:
        assert [spot.score for spot in spots] == [0.93, 0.4, 0.9], "all from the screening point on"
        return replace(found, warnings=(*found.warnings, "Said of the scan without spots."))

    monkeypatch.setattr(search, "segment", segment)
    monkeypatch.setattr(search, "segment_without", segment_without)
    monkeypatch.setattr(search, "detect", detect)
    monkeypatch.setattr(search, "look_again", look_again)
    monkeypatch.setattr(search, "load_detector", lambda weights: FakeDetector(None, card()))
    monkeypatch.setattr(search, "anatomy_of", lambda weights: (None, little_anatomy_card()))


@pytest.mark.usefixtures("networks")
class TestRun:
    def test_writes_everything(self, study, tmp_path):
        stages: list[str] = []
        record = run(Request(tmp_path / "out", **study, device="cpu"), announce=stages.append)
        out = tmp_path / "out"
        assert {path.name for path in out.iterdir()} == FILES
        assert read_record(out / "findings.json") == record
        (finding,) = record.kept
        assert finding.position_ras_mm == BLEED_MM
        assert (finding.region, finding.side, finding.row) == ("thalamus", "right", "thalamus")
        assert finding.certainty == "definite"
        assert [f.removed_by for f in record.findings] == [None, "anatomy", "score"]
        assert [f.score_spread for f in record.findings] == [0.53, None, None], "only what counts"
        assert "Said by the segmentation." in record.warnings
        assert stages == [
            "read", "load weights", "segment", "prepare", "detect", "localise", "look again", "report"
        ]  # fmt: skip
        labels = nib.load(out / "labels.nii.gz")
        assert labels.shape == nib.load(study["swi"]).shape
        assert np.asarray(labels.dataobj)[finding.position_ijk] == 1

    def test_texts_serve_as_paths(self, study, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        run(Request("out", **{role: str(path) for role, path in study.items()}, device="cpu"))
        assert {path.name for path in (tmp_path / "out").iterdir()} == FILES

    def test_run_record(self, study, tmp_path):
        run(Request(tmp_path / "out", **study, device="cpu", operating_point="screening"))
        written = RunRecord.model_validate_json((tmp_path / "out" / "run.json").read_text())
        assert written.options["operating_point"] == "screening"
        assert written.inputs_sha256["swi"] == sha256_of(study["swi"])
        assert written.weights_sha256 == {"detector": "ab" * 32, "anatomy": "cd" * 32}
        assert set(written.seconds) >= {"read", "detect", "report"}
        assert written.total_seconds > 0
        assert "cpu" in written.compute

    def test_another_contrast_is_refused_and_a_magnitude_as_swi_is_said(self, study, tmp_path):
        t1 = study["swi"].rename(study["swi"].with_name("sub-01_T1w.nii.gz"))
        for role in ("swi", "magnitude"):
            with pytest.raises(InputError, match="its name says that it is a T1-weighted image"):
                run(Request(tmp_path / "out", **{role: t1}, device="cpu"))
        magnitude = t1.rename(t1.with_name("sub-01_part-mag_GRE.nii.gz"))
        record = run(Request(tmp_path / "out", magnitude, device="cpu"))
        assert any("was taken as the SWI" in w and "--magnitude" in w for w in record.warnings)

    def test_weights_of_the_anatomy_can_be_given(self, study, tmp_path, monkeypatch):
        asked: list[Path | None] = []
        monkeypatch.setattr(
            search, "anatomy_of", lambda weights: (asked.append(weights), little_anatomy_card(sha256="ef" * 32))
        )
        run(Request(tmp_path / "out", **study, device="cpu", anatomy_weights=Path("mine.safetensors")))
        written = RunRecord.model_validate_json((tmp_path / "out" / "run.json").read_text())
        assert asked == [Path("mine.safetensors")]
        assert written.weights_sha256["anatomy"] == "ef" * 32
        assert written.options["anatomy_weights"] == "mine.safetensors"

    def test_the_disclaimer_says_what_the_weights_learned_from(self, study, tmp_path, monkeypatch):
        record = run(Request(tmp_path / "simulated", **study, device="cpu"))
        assert record.disclaimer == "Research use. Not a medical device. Weights learned from simulated scans."
        own = card().model_copy(update={"training": card().training.model_copy(update={"simulated": False})})
        monkeypatch.setattr(search, "load_detector", lambda weights: FakeDetector(None, own))
        record = run(Request(tmp_path / "own", **study, device="cpu"))
        assert record.disclaimer == "Research use. Not a medical device. Its weights learned from 3 scans of toy."

    def test_screening_shows_more(self, study, tmp_path):
        record = run(Request(tmp_path / "out", **study, device="cpu", operating_point="screening"))
        assert record.counts.total == 2
        assert record.model.operating_point.cut == 0.2

    def test_without_phase_its_own_threshold_counts(self, study, tmp_path, monkeypatch):
        points = OperatingPoints(balanced=0.35, screening=0.3)
        own = card().model_copy(update={"without_phase": Scoring(operating_points=points)})
        monkeypatch.setattr(search, "load_detector", lambda weights: FakeDetector(None, own))
        with_phase = run(Request(tmp_path / "with", **study, device="cpu"))
        without = run(Request(tmp_path / "without", study["swi"], device="cpu"))
        assert [r.model.operating_point.cut for r in (with_phase, without)] == [0.6, 0.35]
        assert [r.counts.total for r in (with_phase, without)] == [1, 2]

    def test_without_phase_it_is_searched_with_its_own_calibration(self, study, tmp_path, monkeypatch):
        known, calibration = card(), Calibration(intercept=-2.0, slope=0.5)
        points = OperatingPoints(balanced=0.95, screening=0.5)
        own = known.model_copy(update={"without_phase": Scoring(calibration=calibration, operating_points=points)})
        monkeypatch.setattr(search, "load_detector", lambda weights: FakeDetector(None, own))
        asked: list[tuple[str, object]] = []
        detect, again = search.detect, search.look_again

        def asked_to_detect(prepared: Prepared, model: object, settings: DetectSettings, compute: object):
            asked.append(("detect", settings.calibration))
            return detect(prepared, model, settings, compute)

        def asked_again(prepared, model, candidates, counted, settings, *rest):
            asked.append(("look again", settings.calibration))
            return again(prepared, model, candidates, counted, settings, *rest)

        def without(scan: Scan, found: Segmentation, spots: list[Candidate], *_: object) -> Segmentation:
            asked.append(("spots", [spot.score for spot in spots]))
            return found

        for name, stand_in in (
            ("detect", asked_to_detect),
            ("look_again", asked_again),
            ("segment_without", without),
        ):
            monkeypatch.setattr(search, name, stand_in)
        run(Request(tmp_path / "with", **study, device="cpu"))
        run(Request(tmp_path / "without", study["swi"], device="cpu"))
        assert asked == [
            ("detect", known.calibration), ("spots", [0.93, 0.4, 0.9]), ("look again", known.calibration),
            ("detect", calibration), ("spots", [0.93, 0.9]), ("look again", calibration),
        ]  # fmt: skip

    def test_the_page_says_when_and_what_was_searched(self, study, tmp_path):
        run(Request(tmp_path / "out", **study, device="cpu"))
        page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
        assert re.search(r"Searched \d{4}-\d\d-\d\d \d\d:\d\d UTC", page)
        assert f"<span>swi</span> sha256 {sha256_of(study['swi'])[:12]}" in page
        assert f"<span>phase</span> sha256 {sha256_of(study['phase'])[:12]}" in page

    def test_same_input_same_findings(self, study, tmp_path):
        for name in ("a", "b"):
            run(Request(tmp_path / name, **study, device="cpu"))
        first, second = ((tmp_path / n / "findings.json").read_bytes() for n in ("a", "b"))
        assert first == second

    def test_overwrite_only_an_earlier_result(self, study, tmp_path):
        out = tmp_path / "out"
        run(Request(out, **study, device="cpu"))
        with pytest.raises(InputError, match="overwrite"):
            run(Request(out, **study, device="cpu"))
        run(Request(out, **study, device="cpu", overwrite=True))
        (out / "run.json").unlink()
        (out / "thesis.txt").write_text("years of work")
        with pytest.raises(InputError, match="no earlier result"):
            run(Request(out, **study, device="cpu", overwrite=True))
        assert (out / "thesis.txt").exists()

    def test_folder_of_the_scan_is_never_replaced(self, study):
        with pytest.raises(InputError, match="holds the scan"):
            run(Request(study["swi"].parent, **study, device="cpu", overwrite=True))
        assert study["swi"].exists()

    def test_a_full_disk_keeps_the_old_and_says_so(self, study, tmp_path, capsys):
        """No file may grow beyond a limit: the system fails a write halfway, as it does on a full disk."""
        resource = pytest.importorskip("resource")
        given = ["detect", str(study["swi"]), "--phase", str(study["phase"]), "--out", str(tmp_path / "out")]
        with pytest.raises(SystemExit) as left:
            main([*given, "--device", "cpu"])
        assert left.value.code == 0
        before = {path.name: sha256_of(path) for path in (tmp_path / "out").iterdir()}
        capsys.readouterr()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        try:
            with pytest.raises(SystemExit) as left:
                main([*given, "--device", "cpu", "--overwrite"])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert left.value.code == 1
        assert "what was there before is untouched. Make room" in capsys.readouterr().err
        assert {path.name: sha256_of(path) for path in (tmp_path / "out").iterdir()} == before
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []

    def test_failure_leaves_nothing_and_keeps_the_old(self, study, tmp_path, monkeypatch):
        out = tmp_path / "out"
        run(Request(out, **study, device="cpu"))
        before = json.loads((out / "run.json").read_text())
        monkeypatch.setattr(pipeline, "write_html", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(Request(out, **study, device="cpu", overwrite=True))
        assert json.loads((out / "run.json").read_text()) == before
        assert {path.name for path in out.iterdir()} == FILES
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


class TestRequest:
    @pytest.mark.parametrize("wrong", [{"operating_point": "sensitive"}, {"phase_sign": "bright"}])
    def test_an_unknown_choice_is_refused_before_the_search(self, wrong):
        with pytest.raises(InputError, match="is unknown; use"):
            Request(Path("out"), Path("swi.nii.gz"), **wrong)

    def test_a_text_is_one_series(self):
        assert Request("out", "study", series="phase=none").series == ("phase=none",)
