"""What a user names as a visit, and the verb."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from made_up import SPACING_MM, finding, record, visit
from microbleeds import comparison
from microbleeds.cli import main
from microbleeds.comparison import _named
from microbleeds.errors import InputError
from microbleeds.followup import anatomy as anatomy_module
from microbleeds.followup import compare_visits
from microbleeds.followup import visit as visit_module
from microbleeds.followup.registration import Registration
from microbleeds.followup.rigid import applied
from microbleeds.followup.study_files import must_be_searched, study_files
from microbleeds.followup.visit import load_visit
from microbleeds.geometry import Grid
from microbleeds.report.record import write_record
from microbleeds.report.run_record import sha256_of
from microbleeds.segmentation import Segmentation
from microbleeds.simulate.pose import rigid


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


class TestStudyFiles:
    def test_a_session_of_a_data_set(self, tmp_path):
        anat = tmp_path / "sub-1" / "ses-2" / "anat"
        names = ("swi.nii.gz", "part-phase_GRE.nii.gz", "part-mag_GRE.nii.gz", "minIP.nii.gz", "swi.json")
        touch(*(anat / f"sub-1_ses-2_{name}" for name in names))
        for folder in (anat, anat.parent):
            files = {role: path.name for role, path in study_files(folder).items()}
            assert files == {
                "swi": "sub-1_ses-2_swi.nii.gz",
                "phase": "sub-1_ses-2_part-phase_GRE.nii.gz",
                "magnitude": "sub-1_ses-2_part-mag_GRE.nii.gz",
            }

    def test_a_whole_subject_is_refused(self, tmp_path):
        touch(tmp_path / "ses-1" / "anat" / "a_swi.nii.gz")
        with pytest.raises(InputError, match="one session"):
            study_files(tmp_path)

    def test_two_acquisitions_are_refused(self, tmp_path):
        touch(tmp_path / "a_swi.nii.gz", tmp_path / "b_swi.nii.gz")
        with pytest.raises(InputError, match="2 images of one kind"):
            study_files(tmp_path)

    def test_an_image_and_a_dicom_study(self, tmp_path):
        touch(tmp_path / "a.nii.gz", tmp_path / "dicom" / "IM0001")
        assert study_files(tmp_path / "a.nii.gz") == {"swi": tmp_path / "a.nii.gz"}
        assert study_files(tmp_path / "dicom") == {"swi": tmp_path / "dicom"}
        for path in (tmp_path / "a.nii.gz", tmp_path / "dicom"):
            assert study_files(path, "magnitude") == {"magnitude": path}
        with pytest.raises(InputError, match="doesn't exist"):
            study_files(tmp_path / "none")

    def test_a_result_is_no_study(self, tmp_path):
        assert must_be_searched(tmp_path)
        touch(tmp_path / "findings.json")
        assert not must_be_searched(tmp_path)


class TestLoad:
    @pytest.fixture
    def result(self, tmp_path, monkeypatch):
        """A result folder with its scan; the segmentation is what it would say."""
        shape = (60, 70, 20)
        affine = np.diag([*SPACING_MM, 1.0])
        affine[:3, 3] = (-36, -42, -30)
        values = np.random.default_rng(0).normal(300, 20, shape).astype(np.float32)
        nib.save(nib.Nifti1Image(values, affine), tmp_path / "swi.nii.gz")
        folder = tmp_path / "result"
        folder.mkdir()
        files = {"swi": str(tmp_path / "swi.nii.gz")}
        write_record(
            record([finding(1, (0, 0, 0))], files=files, shape=shape, phase=None), folder / "findings.json"
        )
        whole = np.ones(shape, dtype=bool)
        nothing = np.zeros(shape, dtype=np.uint8)
        anatomy = Segmentation(Grid(shape, affine), whole, nothing, None, False, False)
        monkeypatch.setattr(visit_module, "segment", lambda scan, compute=None: anatomy)
        return folder

    def written_run(self, folder: Path, **changes: object) -> None:
        swi = folder.parent / "swi.nii.gz"
        content = {
            "program_version": "0", "started": "now", "options": {"swi": str(swi), "phase": None, "series": []},
            "inputs_sha256": {"swi": sha256_of(swi)}, "weights_sha256": {}, "seconds": {}, "total_seconds": 1.0,
            "peak_memory_mb": None, "compute": "cpu", "python": "3", "packages": {}, "platform": "x", "cores": 1,
        } | changes  # fmt: skip
        (folder / "run.json").write_text(json.dumps(content))

    def test_result_and_its_scan(self, result):
        loaded = load_visit(result, name="first")
        assert (loaded.name, loaded.signed) == ("first", False)
        assert loaded.scan.grid.shape == (60, 70, 20)
        assert len(loaded.record.findings) == 1
        self.written_run(result)
        assert load_visit(result).scan.files["swi"].endswith("swi.nii.gz")

    def test_a_signed_result_uses_the_run_above_it(self, result):
        self.written_run(result)
        signed = result / "reviewed"
        signed.mkdir()
        (signed / "findings.json").write_text((result / "findings.json").read_text())
        (signed / "review.json").write_text("{}")
        assert load_visit(signed).signed

    def test_what_a_study_is_called(self, result):
        """A folder of NIfTI files by its own path; a DICOM study as the search noted it."""
        self.written_run(result, options={"swi": None, "magnitude": "visit/mag.nii.gz"})
        folder = Path("visit")
        assert _named(folder, result, {"magnitude": folder / "mag.nii.gz"}) == "visit"
        self.written_run(result, options={"swi": "archive/…"})
        assert _named(Path("archive/Doe"), result, {"swi": Path("archive/Doe")}) == "archive/…"
        assert _named(result, result, {}) == str(result)

    def test_a_changed_scan_is_refused(self, result):
        self.written_run(result, inputs_sha256={"swi": "0" * 64})
        with pytest.raises(InputError, match="changed since"):
            load_visit(result)

    def test_a_scan_in_another_role_is_refused(self, result):
        """Its hash can't be checked, or it is not all that the SWI was made from."""
        scan, searched = result.parent / "swi.nii.gz", sha256_of(result.parent / "swi.nii.gz")
        options = {"swi": None, "magnitude": str(scan), "phase": None}
        self.written_run(result, options=options, inputs_sha256={"magnitude": searched})
        assert load_visit(result, scan={"magnitude": scan}).scan.kind == "t2star"
        with pytest.raises(InputError, match=r"made from the magnitude, not with the swi .*swi\.nii\.gz; give"):
            load_visit(result, scan={"swi": scan})
        both = {"magnitude": searched, "phase": "0" * 64}
        self.written_run(result, options=options | {"phase": "phase.nii.gz"}, inputs_sha256=both)
        with pytest.raises(InputError, match="made from magnitude and phase; give both"):
            load_visit(result, scan={"magnitude": scan})

    def test_the_brain_is_found_by_the_weights_of_the_result(self, result, monkeypatch):
        weights = result.parent / "own.safetensors"
        options = {"swi": str(result.parent / "swi.nii.gz"), "anatomy_weights": str(weights)}
        self.written_run(result, options=options, weights_sha256={"anatomy": "ab"})
        segment, used = visit_module.segment, []

        def noted(scan, compute=None, **given):
            used.append(given)
            return segment(scan, compute)

        monkeypatch.setattr(visit_module, "segment", noted)
        (gone,) = load_visit(result).warnings
        assert "own.safetensors can't be read any more; the brain's outline is that of the shipped" in gone
        card = SimpleNamespace(sha256="ab")
        monkeypatch.setattr(anatomy_module, "anatomy_of", lambda path: (path.name, card))
        assert load_visit(result).warnings == ()
        card.sha256 = "cd"
        (changed,) = load_visit(result).warnings
        assert "have changed since" in changed
        assert used == [{}, {"network": "own.safetensors", "card": card}, {}]
        one, aligned = visit([finding(1, (0, 0, 0))]), Registration(np.eye(4), 0.1, 0.9, 0.9, None)
        compared = compare_visits(replace(one, warnings=(changed,)), one, registration=aligned)
        assert f"Baseline: {changed}" in compared.warnings

    def test_a_missing_scan_is_refused(self, result):
        (result.parent / "swi.nii.gz").unlink()
        with pytest.raises(InputError, match="isn't there any more"):
            load_visit(result)

    def test_no_result_and_a_broken_run(self, result, tmp_path):
        with pytest.raises(InputError, match=r"holds no findings\.json"):
            load_visit(tmp_path)
        (result / "run.json").write_text("{")
        with pytest.raises(InputError, match=r"run\.json can't be read"):
            load_visit(result)


class TestVerb:
    @pytest.fixture
    def results(self, tmp_path, monkeypatch):
        """Two result folders; loading them gives made-up visits that lie on each other."""
        made = {
            "one": visit([finding(1, (0, 0, 0))], noise=1),
            "two": visit([finding(1, (0, 0, 0)), finding(2, (20, 0, 0))], noise=2),
            "other": visit([finding(1, (0, 0, 0))], noise=3, head=4),
        }
        for name in made:
            touch(tmp_path / name / "findings.json")
        loaded = lambda folder, scan=None, name=None, compute=None: replace(made[Path(folder).name], name=name)  # noqa: E731
        monkeypatch.setattr(comparison, "load_visit", loaded)
        return tmp_path

    def test_writes_a_comparison(self, results, capsys, monkeypatch):
        aligned = Registration(np.eye(4), 0.1, 0.9, 0.9, None)
        monkeypatch.setattr("microbleeds.followup.compare.register", lambda *_: aligned)
        out = results / "out"
        assert run("compare", results / "one", results / "two", "--out", out, "--device", "cpu") == 0
        assert {path.name for path in out.iterdir()} == {f"comparison.{end}" for end in ("json", "tsv", "html")}
        captured = capsys.readouterr()
        assert "mild" in captured.out
        assert "no diagnosis" in captured.out
        assert "Warning: Said by both." in captured.err
        assert run("compare", results / "one", results / "two", "--out", out, "--device", "cpu") == 2
        assert "--overwrite" in capsys.readouterr().err

    def test_two_results_on_disk_in_two_poses(self, tmp_path, monkeypatch, capsys):
        """Nothing is replaced but the network that would say where the brain is."""
        places = [(20.0, 5.0, 3.0), (10.0, -25.0, -9.0)]
        pose = rigid(6.0, np.array([0.2, 1.0, -0.5]), np.array([4.0, -7.0, 3.0]), np.zeros(3))
        posed = [tuple(applied(pose, np.array(place))) for place in places]
        made = {
            "first": visit([finding(1, places[0])], noise=1),
            "second": visit([finding(n, place) for n, place in enumerate(posed, 1)], noise=2, pose=pose),
        }
        brains = {}
        for name, one in made.items():
            (tmp_path / name).mkdir()
            swi = tmp_path / f"{name}.nii.gz"
            nib.save(nib.Nifti1Image(one.scan.swi, one.scan.grid.affine), swi)
            day = {"first": "2023-11-30T08:00:00", "second": "2024-11-29T10:00:00"}[name]
            (tmp_path / f"{name}.json").write_text(json.dumps({"AcquisitionDateTime": day}))
            scan = one.record.scan.model_copy(
                update={"files": {"swi": str(swi)}, "shape": one.scan.grid.shape, "phase": None}
            )
            write_record(one.record.model_copy(update={"scan": scan}), tmp_path / name / "findings.json")
            brains[str(swi)] = one.segmentation
        monkeypatch.setattr(visit_module, "segment", lambda scan, compute=None: brains[scan.files["swi"]])
        out = tmp_path / "out"
        assert run("compare", tmp_path / "first", tmp_path / "second", "--out", out, "--device", "cpu") == 0
        compared = json.loads((out / "comparison.json").read_text())
        assert {state: n["total"] for state, n in compared["counts"].items() if n["total"]} == {
            "stable": 1,
            "new": 1,
        }
        (new,) = [lesion for lesion in compared["lesions"] if lesion["state"] == "new"]
        assert np.allclose(new["followup"]["position_ras_mm"], posed[1])
        assert compared["registration"]["error_mm"] < 1
        assert "mild" in capsys.readouterr().out
        assert compared["interval_days"] == 365
        page = (out / "comparison.html").read_text(encoding="utf-8")
        assert "<dd>365 days</dd>" in page
        texts = [path.read_text(encoding="utf-8") for path in out.iterdir()]
        assert not any(day in text for text in texts for day in ("2023-11", "2024-11", "202311", "202411"))
        assert run("compare", tmp_path / "second", tmp_path / "first", "--out", tmp_path / "back") == 0
        assert "365 days before the baseline" in " ".join(capsys.readouterr().err.split())

    def test_two_heads_are_exit_3(self, results, capsys, monkeypatch):
        astray = Registration(np.eye(4), 19.0, 0.6, 0.1, "The scans could not be aligned: made up.")
        monkeypatch.setattr("microbleeds.followup.compare.register", lambda *_: astray)
        out = results / "out"
        assert run("compare", results / "one", results / "other", "--out", out, "--device", "cpu") == 3
        assert json.loads((out / "comparison.json").read_text())["lesions"] == []
        assert "could not be aligned" in capsys.readouterr().err

    def test_a_study_is_searched_first(self, results, monkeypatch):
        requests = []

        def noted(request, announce):
            requests.append(request)
            raise InputError("Enough.")

        monkeypatch.setattr(comparison, "run", noted)
        touch(results / "scan.nii.gz")
        code = run(
            "compare", results / "one", results / "scan.nii.gz", "--out", results / "out",
            "--operating-point", "screening", "--phase-sign", "paramagnetic-dark", "--weights", "w.safetensors",
        )  # fmt: skip
        assert code == 2
        (request,) = requests
        assert request.inputs == {"swi": results / "scan.nii.gz"}
        assert (request.out.name, request.operating_point, request.phase_sign) == (
            "followup", "screening", "paramagnetic-dark",
        )  # fmt: skip
        assert not (results / "out").exists(), "nothing half-written stays"

    @pytest.fixture
    def given(self, monkeypatch):
        """Scans that were handed on with the baseline, each the end of its command."""
        scans = []

        def noted(folder, scan=None, name=None, compute=None):
            scans.append(scan)
            raise InputError("Enough.")

        monkeypatch.setattr(comparison, "load_visit", noted)
        return scans

    def test_a_moved_scan_has_the_role_that_was_searched(self, results, given):
        moved = results / "moved.nii.gz"
        touch(moved, results / "swi.nii.gz")
        words = ("compare", results / "one", results / "two", "--out", results / "out", "--baseline-scan", moved)
        for searched in ("swi", "magnitude"):
            TestLoad().written_run(results / "one", options={searched: "before.nii.gz"}, inputs_sha256={})
            assert run(*words) == 2
        assert given == [{"swi": moved}, {"magnitude": moved}]

    def test_what_was_not_searched_is_left_aside_in_a_moved_folder(self, results, given):
        moved = results / "moved"
        touch(results / "swi.nii.gz")
        touch(*(moved / f"sub-1_{name}.nii.gz" for name in ("swi", "part-phase_GRE", "part-mag_GRE")))
        searched = {"swi": "0" * 64, "phase": "0" * 64}
        TestLoad().written_run(results / "one", options={"swi": "before.nii.gz"}, inputs_sha256=searched)
        words = ("compare", results / "one", results / "two", "--out", results / "out", "--baseline-scan", moved)
        assert run(*words) == 2
        assert sorted(given[0]) == ["phase", "swi"]

    def test_nothing_else_is_overwritten(self, results, capsys):
        (results / "mine").mkdir()
        touch(results / "mine" / "thesis.doc")
        given = ("compare", results / "one", results / "two", "--overwrite", "--out")
        assert run(*given, results / "mine") == 2
        assert "no earlier comparison" in capsys.readouterr().err
        assert run(*given, results) == 2
        assert "holds a visit" in capsys.readouterr().err
        assert (results / "one" / "findings.json").exists()
        touch(results / "read" / "comparison.json", results / "read" / "baseline" / "reviewed" / "review.json")
        assert run(*given, results / "read") == 2
        assert "what a reader signed" in capsys.readouterr().err
        assert (results / "read" / "baseline" / "reviewed" / "review.json").exists()
