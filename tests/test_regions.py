from __future__ import annotations

import numpy as np
import pytest

from microbleeds.regions import (
    BOMBS,
    KIM,
    LOBES,
    MARS,
    REGIONS,
    SCALES,
    code_of,
    cortex_of_white,
    mirrored,
)


def group(scale: str, name: str, side: str = "left") -> str:
    return SCALES[scale].group_of(REGIONS[code_of(name, side)])  # type: ignore[arg-type]


class TestCodes:
    def test_codes_are_unique_and_fit_a_byte(self) -> None:
        assert all(code == region.code and 0 <= code < 256 for code, region in REGIONS.items())
        assert len({(r.name, r.side) for r in REGIONS.values()}) == len(REGIONS)

    def test_mirroring_swaps_sides_and_undoes_itself(self) -> None:
        table = mirrored()
        assert table[code_of("thalamus", "left")] == code_of("thalamus", "right")
        assert table[code_of("csf")] == code_of("csf")
        np.testing.assert_array_equal(table[table], np.arange(256))

    def test_an_unknown_region_is_refused(self) -> None:
        with pytest.raises(KeyError, match="pons"):
            code_of("pons", "left")

    def test_white_matter_of_a_lobe_becomes_its_cortex(self) -> None:
        table = cortex_of_white()
        assert table[code_of("parietal_white", "right")] == code_of("parietal_cortex", "right")
        assert table[code_of("periventricular_white", "left")] == code_of("periventricular_white", "left")


class TestScales:
    def test_where_the_scales_differ(self) -> None:
        assert [group(s, "periventricular_white") for s in ("MARS", "BOMBS", "Kim")] == ["deep", "lobar", "lobar"]
        assert [group(s, "corpus_callosum") for s in ("MARS", "BOMBS", "Kim")] == ["deep", "lobar", "lobar"]

    @pytest.mark.parametrize("scale", [MARS, BOMBS, KIM])
    def test_every_parenchymal_region_has_a_row_with_a_group(self, scale) -> None:
        for region in REGIONS.values():
            assert (scale.row_of(region) is None) == (region.side == "none")
            assert (scale.group_of(region) == "none") == (region.side == "none")

    def test_the_group_of_a_region_is_that_of_mars(self) -> None:
        assert all(MARS.group_of(region) == region.group for region in REGIONS.values())

    def test_mars_has_thirteen_rows(self) -> None:
        assert set(MARS.rows.values()) == set(MARS.groups)
        assert len(MARS.groups) == 13

    def test_bombs_tells_cortex_from_white_matter(self) -> None:
        rows = [BOMBS.row_of(REGIONS[code_of(f"frontal_{t}", "left")]) for t in ("cortex", "white")]
        assert rows == ["cortex and grey-white junction", "subcortical white matter"]

    def test_lobes_are_lobar_and_the_cerebellum_is_not(self) -> None:
        assert {group("MARS", f"{lobe}_cortex") for lobe in LOBES} == {"lobar"}
        assert group("MARS", "cerebellum") == "infratentorial"
