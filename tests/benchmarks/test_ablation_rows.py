"""Rows of the ablation differ in what they name and in nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ablation import app, refuse_shared_heads
from cohort import cohort_named
from learning import chosen_names, label_maps
from microbleeds.errors import InputError
from microbleeds.prepare import PreparationSpec
from rows import Row, read_plan
from scans import mark_of


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six scans of two heads, on two protocols."""
    lines = ["participant_id\thead\tanatomy\tprotocol"]
    for number in range(1, 7):
        name = f"sub-{number:03d}"
        for file in (f"{name}/anat/{name}_swi.nii.gz", f"derivatives/truth/{name}/anat/{name}_microbleeds.tsv"):
            (tmp_path / file).parent.mkdir(parents=True)
            (tmp_path / file).touch()
        lines.append(f"{name}\t{1 + (number - 1) // 3}\tmap_{number}\t{'thick' if number % 2 else 'thin'}")
    (tmp_path / "participants.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("limits", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"heads": 1}, [1, 2, 3]),
        ({"scans_per_head": 1}, [1, 4]),
        ({"only": {"protocol": "thin"}}, [2, 4, 6]),
        ({"only": {"protocol": "thick"}, "scans_per_head": 1}, [1, 5]),
    ],
)
def test_a_row_learns_from_the_scans_that_it_names(data: Path, limits: dict, numbers: list[int]) -> None:
    assert chosen_names(data, Row("x", "x", **limits)) == [f"sub-{n:03d}" for n in numbers]


def test_a_run_is_not_scored_on_heads_that_it_learned_from(data: Path, tmp_path: Path) -> None:
    cohort = replace(cohort_named("paper"), anatomies=["map_3.nii.gz", "map_4.nii.gz"])
    for only, shared in (({"protocol": "thin"}, "map_4"), ({"protocol": "thick"}, "map_3")):
        learned = label_maps([data], Row("x", "x", only=only))
        with pytest.raises(InputError, match=f"The run learned from {shared}, which the cohort paper"):
            refuse_shared_heads("The run", learned, cohort)
        refuse_shared_heads("The run", learned, replace(cohort, anatomies=["map_7.nii.gz"]))


def test_no_training_begins_whose_run_could_not_be_scored(data: Path, tmp_path: Path) -> None:
    (data / "participants.tsv").write_text(
        (data / "participants.tsv").read_text(encoding="utf-8").replace("map_6", "training_seg_12"),
        encoding="utf-8",
    )
    folders = [f"--{name}={tmp_path / name}" for name in ("validation", "cache", "runs", "results")]
    result = CliRunner().invoke(app, ["everything", f"--data={data}", "--row=proposal", *folders])

    assert isinstance(result.exception, InputError)
    assert "The row proposal learned from training_seg_12, which the cohort validation" in str(result.exception)
    assert not (tmp_path / "runs").exists()


def test_the_training_cohort_shares_no_head_with_the_others() -> None:
    learned = [name.removesuffix(".nii.gz") for name in cohort_named("train").anatomies]
    for name in ("validation", "paper", "full", "mixed"):
        refuse_shared_heads("The cohort train", learned, cohort_named(name))


def test_all_rows_share_steps_mining_and_crops() -> None:
    plan = read_plan()
    presets = [plan.preset_of(row) for row in plan.rows]

    assert {p.steps for p in presets if p.name != "longer"} == {plan.steps}
    assert {p.mine_every for p in presets} == {plan.shared["mine_every"]}
    assert len({replace(p.sampling, share_wide=0.0) for p in presets}) == 1


def test_a_second_stage_is_compared_with_as_many_steps_of_the_first() -> None:
    plan = read_plan()
    plain, both, longer = (plan.preset_of(plan.row(name)) for name in ("prototypes", "refinement", "longer"))

    assert both.refines
    assert longer.steps == both.steps + both.refinement.steps
    assert replace(longer, name=plain.name, steps=plain.steps) == plain
    without = both.architecture.model_copy(update={"refinement": None})
    assert replace(both, name=plain.name, refinement=plain.refinement, architecture=without) == plain
    assert plan.row("refinement").by_place == plan.row("longer").by_place == plan.row("anatomy").by_place


def test_wide_crops_are_all_that_their_rows_differ_in() -> None:
    plan = read_plan()
    for name in ("proposal", "fusion", "prototypes"):
        plain, wide = (plan.preset_of(plan.row(row)) for row in (name, f"{name}-wide"))
        assert (plain.sampling.share_wide, wide.sampling.share_wide) == (0.0, 0.5)
        assert replace(wide, name=name, sampling=plain.sampling) == plain


def test_what_all_rows_share_gives_way_to_a_row(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    rows = [
        {"name": "one", "label": "One"},
        {"name": "two", "label": "Two", "settings": {"sampling": {"batch": 3}}},
    ]
    content = {"about": "", "preset": "default", "steps": 7, "shared": {}, "rows": rows}
    shared = {"sampling": {"batch": 2, "share_mimic": 0.5}}
    path.write_text(json.dumps({**content, "shared_settings": shared}), encoding="utf-8")
    plan = read_plan(path)

    one, two = (plan.preset_of(row).sampling for row in plan.rows)
    assert (one.batch, one.share_mimic, two.batch, two.share_mimic) == (2, 0.5, 3, 0.5)


def test_a_row_may_have_steps_and_a_preparation_of_its_own() -> None:
    usual = read_plan().preset_of(read_plan().row("proposal")).preparation
    row = Row("x", "x", steps=3, settings={"preparation": {"normalisation": "min-max"}})
    preset = read_plan().preset_of(row)

    assert (preset.steps, preset.preparation) == (3, usual.model_copy(update={"normalisation": "min-max"}))
    assert mark_of(usual) == ""
    assert len({mark_of(usual), mark_of(preset.preparation), mark_of(PreparationSpec(slices=224))}) == 3
    with pytest.raises(InputError, match="normalisation"):
        read_plan().preset_of(replace(row, settings={"preparation": {"normalisation": "no-such"}}))


def test_variants_switch_the_parts_on_one_by_one() -> None:
    plan = read_plan()
    parts = [
        (c.fusion, c.prototypes)
        for c in (plan.preset_of(plan.row(name)).architecture for name in ("proposal", "fusion", "prototypes"))
    ]

    assert parts == [(False, False), (True, False), (True, True)]


def test_rows_without_phase_never_see_it() -> None:
    plan = read_plan()

    assert all(plan.preset_of(plan.row(name)).augment.phase_dropout == 1.0 for name in ("swi", "magnitude"))
    assert plan.preset_of(plan.row("prototypes")).augment.phase_dropout < 1


def test_a_row_that_changes_what_is_not_there_is_refused() -> None:
    plan = read_plan()
    wrong_setting = Row("x", "x", settings={"sampling": {"no_such": 1}})
    wrong_section = Row("x", "x", settings={"no_such": {}})

    for row in (wrong_setting, wrong_section):
        with pytest.raises(InputError, match="x"):
            plan.preset_of(row)


def test_an_unknown_row_or_method_is_refused() -> None:
    with pytest.raises(InputError, match="choose one of"):
        read_plan().row("no-such-row")
    with pytest.raises(InputError, match="method"):
        Row("x", "x", method="no-such-method")


def test_rows_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    rows = [{"name": "one", "label": "One", "variant": "proposal"}]
    path.write_text(
        json.dumps({"about": "", "preset": "default", "steps": 7, "shared": {}, "rows": rows}), encoding="utf-8"
    )
    plan = read_plan(path)

    assert plan.preset_of(plan.row("one")).steps == 7
    assert plan.preset_of(replace(plan.row("one")), 3).steps == 3
