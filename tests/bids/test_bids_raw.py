"""What the simulator writes, judged by BIDS's own validator; names of BEP004 aren't part of its schema yet."""

from __future__ import annotations

import shutil
from pathlib import Path

from test_bids_app import errors_of

BEP004 = ("_swi.nii.gz", "_swi.json", "_GRE.nii.gz", "_GRE.json", "_minIP.nii.gz", "_minIP.json")


def test_simulated_scans_are_valid(coarse_data: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(coarse_data, data, ignore=shutil.ignore_patterns("derivatives"))
    found = errors_of(data)
    # With a .bidsignore of the simulator there is no error at all; without one only these names are unknown.
    assert [(code, place) for code, place in found if code != "NOT_INCLUDED"] == []
    assert [place for _, place in found if not place.endswith(BEP004)] == []
    (data / ".bidsignore").write_text("*_swi.*\n*_GRE.*\n*_minIP.*\n")
    assert errors_of(data) == []
