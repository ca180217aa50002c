"""The page as a file, the bundle in it, and the folder of the signed result."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from importlib import resources
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from little_head import BLEEDS_MM, Head, segmented
from reader_verdicts import addition, content, verdict
from typer.testing import CliRunner

import microbleeds.segmentation
from microbleeds.cli.app import app, main
from microbleeds.errors import InputError
from microbleeds.geometry import from_canonical
from microbleeds.report.brain_image import write_brain
from microbleeds.report.labels import write_labels
from microbleeds.report.record import read_record, write_record
from microbleeds.report.regions_image import write_regions
from microbleeds.report.review.embedded import read_embedded
from microbleeds.report.review.page import hash_of, render_review, write_review
from microbleeds.report.review.signed import Review
from microbleeds.report.review.signed_folder import finalise
from microbleeds.report.run_record import sha256_of

VENDOR = resources.files("microbleeds.report.review") / "vendor" / "niivue"


@pytest.fixture(scope="module")
def page(head: Head) -> str:
    return render_review(head.record, head.scan, head.brain, None)


@pytest.fixture
def result(head: Head, tmp_path: Path) -> Path:
    folder = tmp_path / "result"
    folder.mkdir()
    write_record(head.record, folder / "findings.json")
    write_labels(head.record.findings, head.scan.source_grid, folder / "labels.nii.gz")
    write_review(head.record, head.scan, head.brain, None, folder / "review.html")
    return folder


def verdicts_for(result: Path, *, verdicts: list | None = None, added: list | None = None) -> Path:
    path = result.parent / "verdicts.json"
    given = content(verdicts, added, findings_sha256=sha256_of(result / "findings.json"))
    path.write_text(json.dumps(given), encoding="utf-8")
    return path


class TestPage:
    def test_the_policy_names_what_is_inside(self, page: str):
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
        assert policy is not None
        rules = policy.group(1).replace("&#39;", "'")
        assert "default-src 'none'" in rules
        assert "connect-src 'none'" in rules
        assert "unsafe" not in rules
        inline = re.findall(r"<script>(.*?)</script>|<style>(.*?)</style>", page, re.DOTALL)
        assert len(inline) == 3
        for script, style in inline:
            digest = base64.b64encode(hashlib.sha256((script or style).encode()).digest()).decode()
            assert f"'sha256-{digest}'" in rules

    def test_nothing_is_asked_from_elsewhere(self, page: str):
        ours = page.split("<script>")[0] + page.split("</script>")[-1]
        assert not re.search(r'(src|href|action)="(?!data:)', ours)
        assert "@import" not in ours

    def test_names_from_files_cannot_bring_html(self, page: str):
        assert "<script>alert(1)" not in page

    def test_thumbnails_of_what_counts(self, head: Head, page: str):
        facts = json.loads(page.split('id="facts">')[1].split("</script>")[0])
        assert [len(f["thumbnails"]) for f in facts["findings"]] == [5, 5, 5, 0, 0]
        assert facts["findings_sha256"] == hash_of(head.record)

    def test_slices_are_the_files(self, head: Head, page: str):
        """The page's volumes are cut and turned."""
        slices = json.loads(page.split('id="facts">')[1].split("</script>")[0])["slices"]
        assert slices["count"] == 34
        for finding in head.record.findings:
            number = np.dot(slices["weights"], [*finding.position_ras_mm, 1])
            assert abs(number - finding.position_ijk[2]) <= 0.5

    def test_the_hash_is_that_of_the_file(self, head: Head, result: Path):
        assert sha256_of(result / "findings.json") == hash_of(head.record)

    def test_the_page_holds_the_licences_of_what_it_passes_on(self, page: str):
        for words in ("Copyright (c) 2021, Niivue", "gl-matrix", "Redistributions in binary form"):
            assert words in page

    def test_the_bundle_is_the_one_that_was_released(self):
        digest = hashlib.sha256((VENDOR / "niivue.umd.js").read_bytes()).hexdigest()
        assert digest in (VENDOR / "README.md").read_text(encoding="utf-8")
        assert "BSD 2-Clause" in (VENDOR / "LICENSE").read_text(encoding="utf-8")


class TestReadBack:
    def test_the_volumes_come_back(self, head: Head, result: Path):
        digest = sha256_of(result / "findings.json")
        back = read_embedded(result / "review.html", head.record, head.scan.source_grid, digest)
        assert back.regions is None
        assert back.brain.sum() == head.brain.sum()
        i, j, k = np.rint(back.scan.grid.to_ijk(BLEEDS_MM[0])).astype(int)
        assert back.scan.swi[i, j, k] < 30
        assert back.scan.phase_rad is not None
        assert back.scan.phase_rad[i, j, k] == pytest.approx(1.5, abs=0.02)

    @pytest.mark.parametrize("harm", ["another result", "cut", "bad base64", "no page"])
    def test_a_page_of_another_kind_is_refused(self, head: Head, result: Path, harm: str):
        path, digest = result / "review.html", sha256_of(result / "findings.json")
        text = path.read_text(encoding="utf-8")
        if harm == "another result":
            digest = "00" * 32
        elif harm == "cut":
            path.write_text(text[: text.index('id="volume-codes"')], encoding="utf-8")
        elif harm == "bad base64":
            path.write_text(text.replace('id="volume-swi">', 'id="volume-swi">!'), encoding="utf-8")
        else:
            path.unlink()
        with pytest.raises(InputError, match="microbleeds review"):
            read_embedded(path, head.record, head.scan.source_grid, digest)


class TestSignedFolder:
    def test_holds_what_the_reader_decided(self, result: Path):
        given = verdicts_for(result, verdicts=[verdict(1, "rejected"), verdict(2, "accepted")], added=[addition()])
        finalise(result, given)
        out = result / "reviewed"
        record = read_record(out / "findings.json")
        assert record.counts.total == 3
        rows = (out / "findings.tsv").read_text(encoding="utf-8").splitlines()
        assert len(rows) == 1 + len(record.findings)
        labels = np.asarray(nib.load(out / "labels.nii.gz").dataobj)
        assert set(np.unique(labels)) == {0, 2, 3, 6}
        review = Review.model_validate_json((out / "review.json").read_text(encoding="utf-8"))
        assert (review.reader, review.rejected, review.added, review.unreviewed) == ("Dr A. Reader", 1, 1, [3])
        assert review.verdicts_sha256 == sha256_of(given) == sha256_of(out / "verdicts.json")
        page = (out / "report.html").read_text(encoding="utf-8")
        assert "Read by Dr A. Reader on 2026-03-01: 1 accepted, 0 uncertain, 1 rejected, 1 added" in page
        assert "No reader has confirmed" not in page

    def test_the_page_says_what_was_rejected_and_who_decided(self, result: Path):
        finalise(result, verdicts_for(result, verdicts=[verdict(1, "rejected"), verdict(2, "uncertain")]))
        record = read_record(result / "reviewed" / "findings.json")
        page = (result / "reviewed" / "report.html").read_text(encoding="utf-8")
        rejected = page.split('<section aria-label="Rejected by the reader">')[1].split("</section>")[0]
        assert "Rejected by the reader: 1" in rejected
        assert rejected.count("<img") == 10
        assert 'id="finding-1"' in rejected
        warnings = page.split('aria-label="Warnings"')[1].split("</section>")[0]
        assert "Read by" not in warnings
        assert "The phase sign is uncertain." in warnings
        assert record.warnings[0].startswith("Read by")
        assert '<p class="read">Read by Dr A. Reader' in page
        assert "Definite, unless the reader decided: score from" in page
        assert "else possible, unless the reader decided. Read by" in page
        (out,) = (finding for finding in record.findings if finding.removed_by == "reader")
        assert (out.reason, out.certainty_reason) == ("Rejected by the reader.", None)

    def test_a_reader_cannot_bring_html(self, result: Path):
        given = verdicts_for(result)
        text = given.read_text(encoding="utf-8").replace("Dr A. Reader", "<img src=x>")
        given.write_text(text, encoding="utf-8")
        finalise(result, given)
        assert "<img src=x>" not in (result / "reviewed" / "report.html").read_text(encoding="utf-8")

    def test_more_can_be_written_and_a_failure_leaves_nothing(self, result: Path, tmp_path: Path):
        given = verdicts_for(result)

        def write(folder: Path) -> None:
            review = Review.model_validate_json((folder / "review.json").read_text(encoding="utf-8"))
            (folder / "sr.dcm").write_text(review.reader, encoding="utf-8")

        def fail(folder: Path) -> None:
            raise InputError("No.")

        finalise(result, given, tmp_path / "out", also=[write])
        assert (tmp_path / "out" / "sr.dcm").read_text(encoding="utf-8") == "Dr A. Reader"
        with pytest.raises(InputError, match="No"):
            finalise(result, given, tmp_path / "other", also=[write, fail])
        assert not (tmp_path / "other").exists()

    def test_an_earlier_one_is_kept_unless_asked(self, result: Path, tmp_path: Path):
        given = verdicts_for(result)
        finalise(result, given)
        with pytest.raises(InputError, match="exists already"):
            finalise(result, given)
        finalise(result, given, overwrite=True)
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "precious").touch()
        with pytest.raises(InputError, match="no earlier signed result"):
            finalise(result, given, tmp_path / "mine", overwrite=True)

    @pytest.mark.parametrize("missing", ["findings.json", "labels.nii.gz", "review.html"])
    def test_an_unfinished_result_is_refused(self, result: Path, missing: str):
        given = verdicts_for(result)
        (result / missing).unlink()
        with pytest.raises(InputError):
            finalise(result, given)
        assert not (result / "reviewed").exists()

    @pytest.mark.parametrize("image", ["labels.nii.gz", "brain.nii.gz", "regions.nii.gz"])
    @pytest.mark.parametrize("half", [True, False])
    def test_damaged_images_are_not_signed(self, result: Path, image: str, half: bool):
        """Cut in the middle, or with bytes that no stream of gzip holds."""
        given, path = verdicts_for(result), result / image
        if not path.exists():
            shutil.copy(result / "labels.nii.gz", path)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if half else whole[:30] + b"\xff" * 40 + whole[70:])
        with pytest.raises(InputError, match=f"{image} can't be read"):
            finalise(result, given)
        assert not (result / "reviewed").exists()


class TestCommand:
    def test_prints_counts_and_what_was_left_open(self, result: Path):
        given = verdicts_for(result, verdicts=[verdict(1, "rejected")])
        done = CliRunner().invoke(app, ["finalize", str(result), str(given)])
        assert done.exit_code == 0, done.output
        assert "2 finding(s) without a verdict count as the model proposed: 2, 3." in done.output
        assert "2 microbleeds" in done.output

    def test_the_review_page_made_again_has_the_results_regions(
        self, head: Head, result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """The result was made with anatomy weights that are gone; the shipped network says other regions."""
        swi, weights = tmp_path / "swi.nii.gz", tmp_path / "gone.safetensors"
        source = head.scan.source_grid
        nib.save(nib.Nifti1Image(from_canonical(head.scan.swi, source), source.affine), swi)
        run = {
            "program_version": "0", "started": "now", "inputs_sha256": {"swi": sha256_of(swi)}, "seconds": {},
            "options": {"swi": str(swi), "anatomy_weights": str(weights)}, "weights_sha256": {"anatomy": "0" * 64},
            "total_seconds": 1.0, "peak_memory_mb": None, "compute": "cpu", "python": "3", "packages": {},
            "platform": "x", "cores": 1,
        }  # fmt: skip
        (result / "run.json").write_text(json.dumps(run), encoding="utf-8")
        own, others = segmented(head), segmented(head)
        write_regions(own, head.scan, result)
        others.regions[:] = 0
        monkeypatch.setattr(microbleeds.segmentation, "segment", lambda scan: others)
        done = CliRunner().invoke(app, ["review", str(result)])
        assert done.exit_code == 0, done.output
        assert "gone.safetensors can't be read any more" in done.stderr
        digest = sha256_of(result / "findings.json")
        back = read_embedded(result / "review.html", head.record, source, digest)
        assert np.array_equal(np.unique(back.regions), np.unique(own.regions))
        for mm in BLEEDS_MM:
            at, seen = (tuple(np.rint(g.to_ijk(mm)).astype(int)) for g in (own.grid, back.scan.grid))
            assert back.regions[seen] == own.regions[at]
        write_brain(head.brain, head.scan, result)
        assert CliRunner().invoke(app, ["review", str(result)]).stderr == "", "the stored mask needs no weights"
        (result / "regions.nii.gz").unlink()
        assert CliRunner().invoke(app, ["review", str(result)]).exit_code == 0
        assert read_embedded(result / "review.html", head.record, source, digest).regions is None

    def test_dicom_is_written_into_the_signed_folder(self, result: Path, monkeypatch: pytest.MonkeyPatch):
        asked = []

        def export(folder: Path, study: Path, out: Path, *, series: tuple[str, ...], organization: str | None):
            assert (folder / "review.json").is_file()
            asked.append((study, out.relative_to(folder), series, organization))

        monkeypatch.setattr("microbleeds.report.dicom.stored.export_result", export)
        given = str(verdicts_for(result))
        words = ["--dicom", "study", "--series", "7", "--organization", "Clinic"]
        done = CliRunner().invoke(app, ["finalize", str(result), given, *words])
        assert done.exit_code == 0, done.output
        assert asked == [(Path("study"), Path("dicom"), ("7",), "Clinic")]
        refused = CliRunner().invoke(app, ["finalize", str(result), given, "--series", "7", "--overwrite"])
        assert isinstance(refused.exception, InputError)

    def test_wrong_verdicts_are_a_sentence_and_exit_code_2(self, result: Path, capsys: pytest.CaptureFixture):
        given = verdicts_for(result)
        (result / "findings.json").write_text((result / "findings.json").read_text() + "\n")
        with pytest.raises(SystemExit) as left:
            main(["finalize", str(result), str(given)])
        assert left.value.code == 2
        assert "belong to another result" in capsys.readouterr().err
