"""The BIDS App with the shipped weights on worker processes: two visits of one head, through the command line."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from microbleeds.cli import main
from microbleeds.followup import read_comparison
from microbleeds.report.record import read_record
from microbleeds.report.run_record import RunRecord

pytest.importorskip("distributed")

pytestmark = pytest.mark.slow
IMAGES = ("swi", "part-phase_GRE")


def call(*arguments: object) -> int:
    """Exit code of a command line."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


@pytest.fixture
def raw(slab_data: Path, tmp_path: Path) -> Path:
    """The middle of two scans of one head as two sessions, and a session whose image is damaged."""
    root = tmp_path / "raw"
    for visit in (1, 2):
        anat = root / "sub-01" / f"ses-{visit}" / "anat"
        anat.mkdir(parents=True)
        for name in IMAGES:
            for ending in (".nii.gz", ".json"):
                scan = slab_data / f"sub-{visit:03d}" / "anat" / f"sub-{visit:03d}_{name}{ending}"
                shutil.copyfile(scan, anat / f"sub-01_ses-{visit}_{name}{ending}")
    damaged = root / "sub-02" / "anat" / "sub-02_swi.nii.gz"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes((root / "sub-01" / "ses-1" / "anat" / "sub-01_ses-1_swi.nii.gz").read_bytes()[:5000])
    return root


def test_two_visits_from_files_to_the_group(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = (raw, out, "participant", "--n_cpus", "1", "--skip_bids_validation")
    assert call(*arguments, "--participant-label", "01", "02") == 3
    assert "3 done, 0 kept, 0 without a suitable image, 1 failed" in capsys.readouterr().out
    settled = json.loads((out / "logs" / "settings.json").read_text())
    found = {}
    for visit in (1, 2):
        folder = out / "sub-01" / f"ses-{visit}" / "anat"
        found[visit] = read_record(folder / f"sub-01_ses-{visit}_desc-microbleeds_record.json")
        run = RunRecord.model_validate_json((out / "results" / f"sub-01_ses-{visit}" / "run.json").read_text())
        assert run.compute == f"cpu, {settled['precision']}, 1 threads"
    assert found[1].findings
    compared = read_comparison(out / "sub-01" / "ses-2" / "anat" / "sub-01_ses-2_desc-since1_comparison.json")
    assert compared.registration.succeeded
    assert call(raw, out, "group") == 3, "as the participant level: one scan failed"
    assert "sub-02: " in capsys.readouterr().err
    with (out / "group_microbleeds.tsv").open() as stream:
        rows = {row["scan"]: row for row in csv.DictReader(stream, delimiter="\t")}
    assert rows["sub-01_ses-2"]["microbleeds"] == str(found[2].counts.total)
    assert rows["sub-02"]["state"] == "failed"
    assert "sub-02_swi.nii.gz" in rows["sub-02"]["message"]
