"""Both levels of the BIDS App on little data sets, without worker processes; BIDS's own validator judges."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from little_cohort import data_set, image, little_search
from microbleeds import __version__
from microbleeds.bids import app
from microbleeds.bids.app import AppRequest, group, participants
from microbleeds.bids.choose import Choice, choose_scan
from microbleeds.bids.dataset import Session
from microbleeds.bids.followup import FollowTask, follow_up
from microbleeds.cohort.pool import PoolSettings
from microbleeds.cohort.task import Outcome, SearchOptions
from microbleeds.errors import InputError
from microbleeds.followup import Comparison, Rule, Series, Visit
from microbleeds.followup.record import RegistrationRecord, RuleRecord, VisitRecord
from microbleeds.followup.series import Step
from microbleeds.report.record import read_record
from microbleeds.report.run_record import package_versions

VALIDATOR = shutil.which("bids-validator-deno") or shutil.which(
    str(Path(sys.executable).parent / "bids-validator-deno")
)
SETTLED = {"device": "cpu", "precision": "float32", "weights_sha256": {"detector": "ab"}}


@contextmanager
def no_pool(settings: PoolSettings, tasks: int) -> Iterator[None]:
    """Work in this process."""
    yield None


def one_by_one(
    tasks: list[Any],
    work: Callable[[Any], Outcome],
    client: None,
    finished: Callable[[Outcome], None],
    *,
    abreast: int,
) -> list[Outcome]:
    outcomes = [work(task) for task in tasks]
    for outcome in outcomes:
        finished(outcome)
    return outcomes


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "open_pool", no_pool)
    monkeypatch.setattr(app, "run_all", one_by_one)
    monkeypatch.setattr(app, "with_weights", lambda options: options)
    monkeypatch.setattr(app, "settled", lambda options, client, memory: replace(options, **SETTLED))


def comparison(earlier: Path, later: Path) -> Comparison:
    records = [read_record(result / "findings.json") for result in (earlier, later)]
    one = (1.0, 0.0, 0.0, 0.0)
    visits = [VisitRecord(name="x", scan=r.scan, model=r.model, counts=r.counts) for r in records]
    return Comparison(
        program_version="0",
        baseline=visits[0],
        followup=visits[1],
        registration=RegistrationRecord(
            succeeded=True, failure=None, followup_from_baseline=(one, one, one, one), rotation_deg=0,
            error_mm=0.2, common_share=1, likeness=0.9,
        ),
        rule=RuleRecord(low_cut=0.01, sure_cut=0.6, tolerance_mm=4),
        counts=None,
        aria_h="mild",
        lesions=[],
        warnings=[],
    )  # fmt: skip


def little_follow(task: FollowTask) -> Outcome:
    """Follow up with stand-ins: every later visit has two new ones."""
    paths = [result for _, result in task.visits]

    def load(result: Path, name: str, compute: object) -> Visit:
        return Visit(name, read_record(result / "findings.json"), None, None)  # type: ignore[arg-type]

    def compare(visits: list[Visit]) -> Series:
        steps = [
            Step(
                visits[n].name,
                comparison(paths[0], paths[n]),
                comparison(paths[n - 1], paths[n]),
                (1, 2),
                2 * n,
                "mild",
            )
            for n in range(1, len(visits))
        ]
        return Series(visits[0].name, tuple(steps))

    def write(compared: Comparison, baseline: Visit, followup: Visit, folder: Path) -> None:
        (folder / "comparison.json").write_text(compared.model_dump_json())
        (folder / "comparison.tsv").write_text("id\tstate\n")
        (folder / "comparison.html").write_text("<title>comparison</title>")

    return follow_up(task, load, compare, write)


def run(raw: Path, out: Path, **more: Any) -> dict[str, str]:
    outcomes = participants(AppRequest(raw, out, **more), work=little_search, follow=little_follow)
    return {outcome.name: outcome.state for outcome in outcomes}


def table(path: Path) -> dict[str, dict[str, str]]:
    with path.open() as stream:
        return {row["scan"]: row for row in csv.DictReader(stream, delimiter="\t")}


def errors_of(data: Path, *more: str) -> list[tuple[str, str]]:
    """Errors of BIDS's validator: code and place."""
    if VALIDATOR is None:
        pytest.skip("bids-validator-deno isn't installed")
    done = subprocess.run(
        [VALIDATOR, str(data), "--format", "json", *more], capture_output=True, text=True, check=False, timeout=200
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    return [(one["code"], one.get("location", "")) for one in issues if one["severity"] == "error"]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    names = ["sub-01/ses-1", "sub-01/ses-2", "sub-01/ses-3", "sub-02/ses-1", "sub-broken/ses-1"]
    made = data_set(tmp_path / "raw", {name: n for n, name in enumerate(names)})
    image(made / "sub-04" / "ses-1" / "anat" / "sub-04_ses-1_T1w.nii.gz")
    return made


class TestLevels:
    def test_everything_is_written(self, raw: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        states = run(raw, out)
        assert states == dict.fromkeys(
            ["sub-01_ses-1", "sub-01_ses-2", "sub-01_ses-3", "sub-02_ses-1"], "done"
        ) | {
            "sub-broken_ses-1": "failed",
            "sub-04_ses-1": "absent",
            "sub-01": "done",
        }
        anat = out / "sub-01" / "ses-2" / "anat"
        stem = "sub-01_ses-2_desc-microbleeds"
        assert {path.name for path in anat.iterdir()} == {
            *(f"{stem}_{ending}" for ending in ("dseg.nii.gz", "dseg.tsv", "dseg.json", "record.json")),
            *(f"{stem}_{ending}" for ending in ("findings.tsv", "findings.json")),
            *(f"sub-01_ses-2_seg-fine_dseg.{ending}" for ending in ("nii.gz", "tsv", "json")),
            *(
                f"sub-01_ses-2_desc-since1_{ending}"
                for ending in ("comparison.json", "lesions.tsv", "lesions.json")
            ),
        }
        record = read_record(anat / f"{stem}_record.json")
        assert np.asarray(nib.load(anat / f"{stem}_dseg.nii.gz").dataobj).max() <= record.counts.total
        sidecar = json.loads((anat / f"{stem}_dseg.json").read_text())
        assert "bids:raw:sub-01/ses-2/anat/sub-01_ses-2_swi.nii.gz" in sidecar["Sources"]
        header = (anat / f"{stem}_findings.tsv").read_text().splitlines()[0].split("\t")
        assert set(header) <= set(json.loads((anat / f"{stem}_findings.json").read_text()))
        page = (out / "sub-01.html").read_text()
        for link in (
            "ses-3/figures/sub-01_ses-3_desc-since1_comparison.html",
            "sub-01_ses-1_desc-microbleeds_review.html",
        ):
            assert link in page
        assert "The image is broken." in (out / "sub-broken.html").read_text()
        citation = (out / "logs" / "CITATION.md").read_text()
        assert "ab" * 32 in citation
        for name, version in {"microbleeds": __version__, **package_versions()}.items():
            assert f"{name} {version}" in citation
        assert "4 susceptibility-weighted images with phase" in citation
        assert not list(out.rglob(".partial*"))

    def test_sessions_are_followed_up(self, raw: Path, tmp_path: Path) -> None:
        run(raw, tmp_path / "out")
        with (tmp_path / "out" / "sub-01" / "sub-01_sessions.tsv").open() as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        assert [(row["session_id"], row["since"], row["new"], row["new_so_far"]) for row in rows] == [
            ("ses-1", "n/a", "n/a", "n/a"), ("ses-2", "ses-1", "2", "2"), ("ses-3", "ses-2", "2", "4"),
        ]  # fmt: skip
        anat = tmp_path / "out" / "sub-01" / "ses-3" / "anat"
        assert (anat / "sub-01_ses-3_desc-since2_comparison.json").exists()
        assert (anat / "sub-01_ses-3_desc-since1_comparison.json").exists()
        assert not (tmp_path / "out" / "results" / "sub-02_followup").exists()

    def test_only_visits_that_were_compared_are_cited(self, raw: Path, tmp_path: Path) -> None:
        for subject, cited in (("02", False), ("01", True)):
            run(raw, tmp_path / subject, subjects=(subject,))
            text = (tmp_path / subject / "logs" / "CITATION.md").read_text()
            assert ("matched one to one" in text) == cited
            assert "No reader has confirmed" in text

    def test_earlier_derivatives_give_way_only_to_whole_new_ones(
        self, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = tmp_path / "out"
        run(raw, out)
        anat = out / "sub-02" / "ses-1" / "anat"
        stem = "sub-02_ses-1"
        # As if an earlier run had chosen the scan's second echo.
        (anat / f"{stem}_desc-microbleeds_record.json").rename(
            anat / f"{stem}_echo-2_desc-microbleeds_record.json"
        )
        before = {path.name for path in anat.iterdir()}

        def full(source: Path, target: Path) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr("microbleeds.bids.publish.placed", full)
            assert run(raw, out)["sub-02_ses-1"] == "failed"
        assert {path.name for path in anat.iterdir()} == before
        assert run(raw, out)["sub-02_ses-1"] == "done"
        names = {path.name for path in anat.iterdir()}
        assert f"{stem}_desc-microbleeds_record.json" in names
        assert not [name for name in names if "echo-2" in name]

    def test_a_second_run_keeps_what_is_there(self, raw: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        run(raw, out)
        before = (out / "sub-01" / "ses-1" / "anat" / "sub-01_ses-1_desc-microbleeds_dseg.nii.gz").stat().st_ino
        again = run(raw, out, subjects=("01",))
        assert again == dict.fromkeys(["sub-01_ses-1", "sub-01_ses-2", "sub-01_ses-3", "sub-01"], "kept")
        image(raw / "sub-01" / "ses-2" / "anat" / "sub-01_ses-2_swi.nii.gz", 77)
        changed = run(raw, out, subjects=("01",))
        assert changed == again | {"sub-01_ses-2": "done", "sub-01": "done"}
        same = (out / "sub-01" / "ses-1" / "anat" / "sub-01_ses-1_desc-microbleeds_dseg.nii.gz").stat().st_ino
        assert same == before

    def test_another_rule_is_applied(self, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        run(raw, tmp_path / "out", subjects=("01",))
        monkeypatch.setattr("microbleeds.bids.followup.Rule", partial(Rule, new_cut=0.5))
        again = run(raw, tmp_path / "out", subjects=("01",))
        assert {name for name, state in again.items() if state == "done"} == {"sub-01"}

    def test_another_choice_replaces_the_derivatives(self, tmp_path: Path) -> None:
        raw = tmp_path / "raw"
        for run_ in (1, 2):
            image(raw / "sub-1" / "anat" / f"sub-1_run-{run_}_swi.nii.gz", run_)
        run(raw, tmp_path / "out")
        anat = tmp_path / "out" / "sub-1" / "anat"
        assert (anat / "sub-1_run-2_desc-microbleeds_dseg.nii.gz").exists()
        assert "latest run" in (tmp_path / "out" / "sub-1.html").read_text()
        run(raw, tmp_path / "out", run="1")
        assert {path.name.split("_")[1] for path in anat.iterdir()} == {"run-1"}

    def test_texts_serve_as_paths_and_a_text_is_one_label(self, raw: Path) -> None:
        request = AppRequest(str(raw), "out", subjects="01", options=SearchOptions(weights="w.safetensors"))
        assert (request.bids_dir, request.out_dir, request.subjects) == (raw, Path("out"), ("01",))
        assert request.options.weights == Path("w.safetensors")

    def test_the_group_has_a_row_for_each_scan(self, raw: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        run(raw, out)
        rows = group(AppRequest(raw, out))
        written = table(out / "group_microbleeds.tsv")
        assert len(rows) == len(written) == 6
        first = read_record(out / "results" / "sub-01_ses-1" / "findings.json").counts
        assert written["sub-01_ses-1"]["microbleeds"] == written["sub-01_ses-1"]["lobar"] == str(first.total)
        assert written["sub-01_ses-1"]["region_frontal_cortex"] == str(first.total)
        assert written["sub-01_ses-3"]["new_so_far"] == "4"
        assert written["sub-broken_ses-1"]["state"] == "failed"
        assert written["sub-broken_ses-1"]["message"] == "The image is broken."
        assert written["sub-broken_ses-1"]["microbleeds"] == "n/a"
        assert written["sub-04_ses-1"]["state"] == "absent"
        described = json.loads((out / "group_microbleeds.json").read_text())
        assert list(described) == list(next(iter(written.values())))
        page = (out / "group_microbleeds.html").read_text()
        assert "The image is broken." in page
        assert "http://" not in page
        assert "https://" not in page

    def test_a_moved_output_folder_is_gone_on_with(self, raw: Path, tmp_path: Path) -> None:
        run(raw, tmp_path / "out")
        out = (tmp_path / "out").rename(tmp_path / "elsewhere")
        group(AppRequest(raw, out))
        row = table(out / "group_microbleeds.tsv")["sub-01_ses-2"]
        assert (row["state"], row["new"]) == ("done", "2")
        assert set(run(raw, out, subjects=("01",)).values()) == {"kept"}
        assert "ses-3_desc-since2_comparison.html" in (out / "sub-01.html").read_text()

    def test_a_lost_followup_is_a_sentence_until_it_is_made_again(self, raw: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        run(raw, out)
        (out / "results" / "sub-01_followup" / "steps.json").write_text("{")
        group(AppRequest(raw, out))
        message = table(out / "group_microbleeds.tsv")["sub-01_ses-2"]["message"]
        assert "run the participant level again" in message
        assert run(raw, out, subjects=("01",))["sub-01"] == "done"

    def test_a_signed_comparison_is_never_made_again(self, raw: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        run(raw, out)
        compared = out / "results" / "sub-01_followup"
        reading = next(compared.glob("*/comparison.json")).parent / "reviewed" / "review.json"
        reading.parent.mkdir()
        reading.write_text("{}")
        assert run(raw, out, subjects=("01",))["sub-01"] == "kept"
        (compared / "steps.json").write_text("{")  # as if the visits had changed
        assert run(raw, out, subjects=("01",))["sub-01"] == "failed"
        assert reading.exists()
        group(AppRequest(raw, out))
        assert "hold what a reader signed" in table(out / "group_microbleeds.tsv")["sub-01_ses-2"]["message"]

    def test_one_bad_session_is_a_sentence(
        self, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def choose(session: Session, **more: Any) -> Choice:
            if session.subject == "02":
                raise ZeroDivisionError("division by zero")
            return choose_scan(session, **more)

        monkeypatch.setattr(app, "choose_scan", choose)
        states = run(raw, tmp_path / "out")
        assert (states["sub-01_ses-1"], states["sub-02_ses-1"]) == ("done", "failed")
        assert "ZeroDivisionError" in (tmp_path / "out" / "sub-02.html").read_text()

    def test_one_bad_followup_is_a_sentence(self, raw: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"

        def fail(task: FollowTask) -> Outcome:
            return follow_up(task, lambda *_, **__: (_ for _ in ()).throw(InputError("The visits are gone.")))

        participants(AppRequest(raw, out), work=little_search, follow=fail)
        group(AppRequest(raw, out))
        assert "The visits are gone." in (out / "sub-01.html").read_text()
        assert "The visits are gone." in table(out / "group_microbleeds.tsv")["sub-01_ses-2"]["message"]


class TestStale:
    def test_one_visit_left_is_no_followup(self, raw: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        run(raw, out)
        for session in (1, 2):
            (raw / "sub-01" / f"ses-{session}" / "anat" / f"sub-01_ses-{session}_swi.nii.gz").write_bytes(b"bad")
        assert run(raw, out, subjects=("01",))["sub-01_ses-1"] == "failed"
        group(AppRequest(raw, out))
        assert table(out / "group_microbleeds.tsv")["sub-01_ses-3"]["new"] == "n/a"
        assert "ARIA-H" not in (out / "sub-01.html").read_text()
        assert not (out / "logs" / "followup" / "sub-01.json").exists()
        assert not list((out / "sub-01").rglob("*_desc-since*"))
        assert not list((out / "sub-01").glob("sub-01_sessions.*"))
        assert not [path for path in (out / "sub-01" / "ses-1").rglob("*") if path.is_file()]
        assert [path for path in (out / "sub-01" / "ses-3").rglob("*") if path.is_file()]

    def test_comparisons_with_a_visit_that_is_gone(self, raw: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        run(raw, out)
        shutil.rmtree(raw / "sub-01" / "ses-2" / "anat")
        assert run(raw, out, subjects=("01",))["sub-01_ses-2"] == "absent"
        left = {path.name.split("_")[2] for path in (out / "sub-01").rglob("*_desc-since*")}
        assert left == {"desc-since1"}
        assert not [path for path in (out / "sub-01" / "ses-2").rglob("*") if path.is_file()]

    def test_a_session_whose_folder_is_gone(self, raw: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        run(raw, out)
        shutil.rmtree(raw / "sub-01" / "ses-2")
        assert "sub-01_ses-2" not in {row["scan"] for row in group(AppRequest(raw, out))}
        run(raw, out, subjects=("02",))
        assert (out / "logs" / "scans" / "sub-01_ses-2.json").exists(), "another subject was asked for"
        run(raw, out, subjects=("01",), sessions=("3",))
        assert not (out / "logs" / "scans" / "sub-01_ses-2.json").exists()
        assert not [path for path in (out / "sub-01" / "ses-2").rglob("*") if path.is_file()]
        assert "ses-2" not in (out / "sub-01.html").read_text()
        assert (out / "logs" / "scans" / "sub-01_ses-1.json").exists()

    def test_a_subject_whose_folder_is_gone(self, raw: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        run(raw, out)
        shutil.rmtree(raw / "sub-01")
        run(raw, out, subjects=("02",))
        run(raw, out, sessions=("1",))
        assert (out / "sub-01.html").exists(), "only a part was asked for"
        run(raw, out)
        assert not list((out / "logs").rglob("sub-01*"))
        assert not [path for path in (out / "sub-01").rglob("*") if path.is_file()]
        assert not (out / "sub-01.html").exists()
        assert (out / "results" / "sub-01_ses-1" / "findings.json").exists()

    def test_the_group_without_the_data_set_at_hand(self, raw: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        run(raw, out)
        assert len(group(AppRequest(tmp_path / "elsewhere", out))) == 6
        with pytest.raises(InputError, match="holds no results of"):
            group(AppRequest(data_set(tmp_path / "other", {"sub-99": 1}), out))

    def test_a_followup_that_fails_now(self, raw: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        run(raw, out)
        image(raw / "sub-01" / "ses-2" / "anat" / "sub-01_ses-2_swi.nii.gz", 77)

        def fail(task: FollowTask) -> Outcome:
            return follow_up(task, lambda *_, **__: (_ for _ in ()).throw(InputError("The visits are gone.")))

        participants(AppRequest(raw, out), work=little_search, follow=fail)
        assert not list((out / "sub-01").rglob("*_desc-since*"))
        assert "The visits are gone." in (out / "sub-01.html").read_text()

    def test_what_a_reader_signed_stays_with_all_that_hangs_on_it(self, raw: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        run(raw, out)
        (out / "results" / "sub-01_ses-2" / "reviewed").mkdir()
        (out / "results" / "sub-01_ses-2" / "reviewed" / "review.json").write_text("{}")
        before = sorted(path for path in (out / "sub-01").rglob("*") if path.is_file())
        image(raw / "sub-01" / "ses-2" / "anat" / "sub-01_ses-2_swi.nii.gz", 77)
        for _ in range(2):
            assert run(raw, out, subjects=("01",))["sub-01_ses-2"] == "kept"
            assert sorted(path for path in (out / "sub-01").rglob("*") if path.is_file()) == before
            row = next(row for row in group(AppRequest(raw, out)) if row["scan"] == "sub-01_ses-2")
            assert row["state"] == "done"
            assert "a reader signed it" in row["message"]
        shutil.rmtree(out / "results" / "sub-01_ses-2" / "reviewed")
        assert run(raw, out, subjects=("01",))["sub-01_ses-2"] == "done"

    def test_what_was_searched_anew_loses_its_followup_until_it_is_made(self, raw: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        run(raw, out)
        image(raw / "sub-01" / "ses-2" / "anat" / "sub-01_ses-2_swi.nii.gz", 77)

        def killed(task: FollowTask) -> Outcome:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            participants(AppRequest(raw, out), work=little_search, follow=killed)
        rows = {row["scan"]: row for row in group(AppRequest(raw, out))}
        assert rows["sub-01_ses-2"].get("new") is None
        assert not list((out / "sub-01").rglob("*_desc-since*"))
        run(raw, out)
        assert {row["scan"]: row for row in group(AppRequest(raw, out))}["sub-01_ses-2"]["new"] == 2

    def test_a_visit_that_cannot_be_aligned_has_no_number_of_new_ones(
        self, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = tmp_path / "out"
        made = Step
        monkeypatch.setattr(
            f"{__name__}.Step", lambda name, first, previous, *_: made(name, first, previous, None, None, None)
        )
        run(raw, out)
        row = next(row for row in group(AppRequest(raw, out)) if row["scan"] == "sub-01_ses-2")
        assert row.get("new") is None
        assert row["message"] == app.NOT_ALIGNED
        assert '<td class="count"><strong>–</strong></td>' in (out / "sub-01.html").read_text()
        lines = (out / "sub-01" / "sub-01_sessions.tsv").read_text().splitlines()
        assert dict(zip(lines[0].split("\t"), lines[2].split("\t"), strict=True))["new"] == "n/a"


class TestRefused:
    def test_the_data_set_itself_and_others(self, raw: Path, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="data set itself"):
            run(raw, raw)
        other = data_set(tmp_path / "other", {"sub-09": 3})
        with pytest.raises(InputError, match="another data set"):
            run(raw, other)

    def test_nothing_to_search(self, tmp_path: Path) -> None:
        image(tmp_path / "raw" / "sub-1" / "anat" / "sub-1_T1w.nii.gz")
        with pytest.raises(InputError, match="No session"):
            run(tmp_path / "raw", tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_the_group_before_its_participants(self, raw: Path, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="participant level first"):
            group(AppRequest(raw, tmp_path / "out"))


def test_valid_by_the_validator_of_bids(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(raw, out)
    group(AppRequest(raw, out))
    assert errors_of(out) == []
