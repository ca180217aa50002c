"""The library's surface: what docs/api.md shows works as it stands there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import microbleeds
from microbleeds.errors import InputError
from microbleeds.scan import SequenceFacts
from microbleeds.study import Study

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


class TestSurface:
    def test_every_name_is_there_and_on_the_page(self) -> None:
        page = PAGE.read_text(encoding="utf-8")
        for name in microbleeds.__all__:
            assert getattr(microbleeds, name).__name__ == name
            assert re.search(rf"`[^`]*\b{name}\b[^`]*`", page), f"{name} is not in {PAGE.name}"
        assert set(microbleeds.__all__) <= set(dir(microbleeds))

    def test_importing_the_package_brings_in_nothing_heavy(self) -> None:
        heavy = (
            "import sys, microbleeds; print(sorted({'torch', 'numpy', 'nibabel', 'pydantic'} & set(sys.modules)))"
        )
        said = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout
        assert said.strip() == "[]"

    def test_an_unknown_name_is_an_attribute_error(self) -> None:
        with pytest.raises(AttributeError, match="no attribute 'find'"):
            microbleeds.find  # noqa: B018


class TestArrays:
    """`scan_of` refuses what files would be refused for."""

    AFFINE = np.diag([0.5, 0.5, 2.0, 1.0])
    SHIFTED = AFFINE + np.outer([1.0, 0, 0, 0], [0, 0, 0, 5.0])
    IMAGE = np.random.default_rng(0).uniform(1, 100, (32, 32, 16))

    def test_what_is_given_is_not_changed(self) -> None:
        image = self.IMAGE.astype(np.float32)
        phase = np.random.default_rng(1).uniform(-3, 3, image.shape).astype(np.float32)
        before = image.copy(), phase.copy()
        scan = microbleeds.scan_of(self.AFFINE, magnitude=image, phase=phase, phase_sign="paramagnetic-dark")
        assert np.array_equal(image, before[0])
        assert np.array_equal(phase, before[1])
        assert not np.shares_memory(scan.magnitude, image)
        assert scan.files == {"magnitude": "magnitude array", "phase": "phase array"}

    def test_axes_are_turned(self) -> None:
        turned = self.AFFINE @ np.diag([-1, 1, 1, 1.0])
        scan = microbleeds.scan_of(turned, swi=self.IMAGE)
        assert scan.grid.axis_codes == "RAS"
        assert scan.source_grid.axis_codes == "LAS"
        assert np.allclose(scan.swi, self.IMAGE[::-1])

    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            ({}, "Neither an SWI nor a magnitude"),
            ({"phase": IMAGE}, "phase alone is not enough"),
            ({"swi": IMAGE[0]}, "swi array has the shape .32, 16."),
            ({"swi": IMAGE[:, :, :4]}, "at least 8 slices"),
            ({"swi": IMAGE * 1j}, "complex numbers"),
            ({"swi": np.full_like(IMAGE, 7)}, "All voxels of swi array are 7"),
            ({"swi": np.where(IMAGE > 50, np.nan, IMAGE)}, "NaN or infinite"),
            ({"swi": -IMAGE}, "strongly negative values"),
            ({"swi": IMAGE, "phase": IMAGE[:, :, 1:]}, "lie on different grids"),
            ({"swi": IMAGE, "phase_sign": "bright"}, "phase sign 'bright' is unknown"),
            ({"swi": [[1, 2], [3]]}, "no array of numbers"),
            ({"swi": IMAGE, "phase_units": 5}, "units of the phase are a word such as rad, not 5"),
            ({"swi": IMAGE, "sequence": {}}, "a SequenceFacts, not a dict"),
            ({"swi": IMAGE, "sequence": SequenceFacts(echo_time_ms="20")}, "echo_time_ms of the sequence is '20'"),
            ({"swi": IMAGE, "sequence": SequenceFacts(field_strength_t=np.nan)}, "field_strength_t .* is nan"),
        ],
    )
    def test_what_can_not_be_used_is_refused(self, given: dict, sentence: str) -> None:
        with pytest.raises(InputError, match=sentence):
            microbleeds.scan_of(self.AFFINE, **given)

    @pytest.mark.parametrize(
        ("affine", "sentence"),
        [
            (np.eye(3), "it must be .4, 4., voxel to RAS mm"),
            (np.eye(4), "identity affine"),
            (np.zeros((4, 4)), "singular or not finite"),
            ("somewhere", "no array of numbers"),
            (SHIFTED.T, "The last row of the affine of swi array is .* was it transposed"),
            (np.diag([3, 3, 3, 1.0]), "too coarse for microbleeds"),
        ],
    )
    def test_affines_are_judged_as_in_files(self, affine: np.ndarray, sentence: str) -> None:
        with pytest.raises(InputError, match=sentence):
            microbleeds.scan_of(affine, swi=self.IMAGE)


class TestSearcher:
    def test_an_unknown_operating_point_costs_no_search(self) -> None:
        with pytest.raises(InputError, match="operating point 'best' is unknown"):
            microbleeds.Searcher(operating_point="best")  # type: ignore[arg-type]

    def test_what_is_no_scan_is_refused(self) -> None:
        with pytest.raises(InputError, match=r"not a Study; of open_scan it is study\.scan"):
            microbleeds.Searcher().search(Study(None))  # type: ignore[arg-type]

    def test_weights_may_be_texts(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="mine"):
            microbleeds.Searcher(str(tmp_path / "mine.safetensors"))


@pytest.mark.slow
def test_the_page_runs_as_it_stands(
    coarse_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    anat = coarse_data / "sub-001" / "anat"
    shutil.copy(anat / "sub-001_swi.nii.gz", tmp_path / "swi.nii.gz")
    shutil.copy(anat / "sub-001_part-phase_GRE.nii.gz", tmp_path / "phase.nii.gz")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    assert len(BLOCKS) == 7
    for number, block in enumerate(BLOCKS):
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)
    assert names["found"].record.kept, "a page whose loops print nothing shows nothing"
    said = capsys.readouterr().out
    assert "basal ganglia" in said
    assert "no-such-file.nii.gz doesn't exist" in said
