"""Outliers, the table and the page of a group, and the scans of folders and lists."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from little_cohort import image, little_search, record_of
from microbleeds.cohort import many
from microbleeds.cohort.gather import gather
from microbleeds.cohort.outliers import robust_z
from microbleeds.cohort.page import render
from microbleeds.cohort.pool import PoolSettings
from microbleeds.cohort.table import Entry, table_rows, write_table
from microbleeds.cohort.task import Outcome, SearchOptions
from microbleeds.errors import InputError
from microbleeds.regions import CSF, VENTRICLE
from microbleeds.report.record import RegionVolume


def entries(numbers: list[int]) -> list[Entry]:
    """Scans with so many bleeds each, and one that failed with a nasty sentence."""
    done = [
        Entry(Outcome(name=f"s{n}", state="done", subject=f"{n}"), record_of({"swi": "x", "phase": "y"}, number))
        for n, number in enumerate(numbers)
    ]
    return [*done, Entry(Outcome(name="bad", state="failed", sentence="Not\ta <b>scan</b>."))]


@pytest.mark.parametrize(
    ("text", "sentence"), [("", "is empty; give it a column swi"), ("name,swi\n", "No row of the table")]
)
def test_a_table_without_scans(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(InputError, match=sentence):
        gather(tmp_path / "list.csv")


class TestOutliers:
    def test_by_hand(self) -> None:
        # median 3, deviations 2 1 0 1 2 97 -> MAD 1.5
        assert robust_z([1, 2, 3, 4, 5, 100, None])[:7] == [-1.12, -0.67, -0.22, 0.22, 0.67, 43.39, None]

    def test_too_few_or_all_the_same(self) -> None:
        assert robust_z([1, 2, 3, 4, 1000]) == [None] * 5
        assert robust_z([7.0] * 8) == [0.0] * 8

    def test_mostly_the_same(self) -> None:
        z = robust_z([0.0] * 9 + [10.0])
        assert z[0] == 0.0
        assert z[-1] is not None
        assert z[-1] > 3.5


class TestTable:
    def test_rows(self, tmp_path: Path) -> None:
        rows = table_rows(entries([1, 0, 1, 2, 1, 2, 1, 90]))
        write_table(rows, tmp_path / "t.tsv")
        with (tmp_path / "t.tsv").open() as stream:
            read = list(csv.DictReader(stream, delimiter="\t"))
        assert [row["microbleeds"] for row in read] == ["1", "0", "1", "2", "1", "2", "1", "90", "n/a"]
        assert [bool("microbleeds=" in row["outliers"]) for row in read] == [False] * 7 + [True, False]
        assert read[-1]["message"] == "Not a <b>scan</b>."
        assert read[0]["strictly_lobar"] == "1"
        assert read[1]["strictly_lobar"] == "0"
        assert sum(int(read[7][name]) for name in read[7] if name.startswith("mars_")) == 90
        assert sum(int(read[7][name]) for name in read[7] if name.startswith("region_")) == 90
        assert list(json.loads((tmp_path / "t.json").read_text())) == list(read[0])

    def test_flags(self) -> None:
        record = record_of({"swi": "x"}, 1)
        rows = table_rows([Entry(Outcome(name="a", state="done"), record)])
        assert rows[0]["flags"] == "no_phase"

    def test_ruled_out_are_those_that_would_count(self) -> None:
        record = record_of({"swi": "x"}, 1)
        (out,) = (finding for finding in record.findings if finding.removed_by == "anatomy")
        faint = out.model_copy(update={"id": 9, "score": record.model.operating_point.cut / 2})
        more = record.model_copy(update={"findings": [*record.findings, faint]})
        rows = table_rows([Entry(Outcome(name=n, state="done"), r) for n, r in (("a", record), ("b", more))])
        assert [row["ruled_out"] for row in rows] == [1, 1]
        assert rows[1]["candidates"] == rows[0]["candidates"] + 1

    def test_the_page_says_what_the_weights_learned_from(self) -> None:
        record = record_of({"swi": "x"}, 1)
        own = record.model_copy(update={"disclaimer": "Its weights learned from 4 scans of clinic."})
        page = render(table_rows([Entry(Outcome(name="a", state="done"), own)]), title="x", links={})
        assert "4 scans of clinic" in page
        assert "simulated" not in page
        assert "simulated" in render(table_rows([]), title="x", links={})

    def test_page(self) -> None:
        page = render(table_rows(entries([1, 0, 7, 2])), title="<i>group</i>", links={"s0": "sub-0.html"})
        assert "&lt;i&gt;group" in page
        assert "a &lt;b&gt;scan" in page
        assert '<a href="sub-0.html">s0</a>' in page
        assert "https://" not in page

    def test_what_is_not_known_to_be_strictly_lobar_is_no_no(self) -> None:
        made = entries([1, 1, 1])
        assert "<b>3</b><span>strictly lobar</span>" in render(table_rows(made), title="x", links={})
        for n in (0, 1):
            record = made[n].record
            assert record is not None
            unknown = record.counts.model_copy(update={"strictly_lobar": None})
            made[n] = Entry(made[n].outcome, record.model_copy(update={"counts": unknown}))
        page = render(table_rows(made), title="x", links={})
        assert "<b>1</b><span>strictly lobar of 1 known, 2 unknown</span>" in page

    def test_a_part_of_a_head_has_no_numbers_by_place(self) -> None:
        whole, part = record_of({"swi": "a"}, 0), record_of({"swi": "b"}, 0)
        assert whole.segmentation is not None
        seen = whole.segmentation.model_copy(update={"located": False})
        part = part.model_copy(update={"segmentation": seen})
        named = {"a": whole, "b": part}
        rows = table_rows([Entry(Outcome(name=name, state="done"), record) for name, record in named.items()])
        assert (rows[0]["lobar"], rows[0]["burden_class"], rows[0]["mars_frontal"]) == (0, "0", 0)
        assert (rows[1]["microbleeds"], rows[1]["lobar"], rows[1]["burden_class"]) == (0, None, None)
        assert rows[1]["mars_frontal"] is rows[1]["region_thalamus"] is None
        assert "in 0 scans" in render(rows, title="t", links={})

    def test_the_brain_is_without_fluid(self) -> None:
        record = record_of({"swi": "x"}, 1)
        assert record.segmentation is not None
        fluid = [RegionVolume(index=code, name="fluid", volume_ml=200) for code in (CSF, VENTRICLE)]
        for regions, expected in (([*record.segmentation.regions, *fluid], 90), ([], None)):
            seen = record.segmentation.model_copy(update={"regions": regions})
            (row,) = table_rows(
                [Entry(Outcome(name="a", state="done"), record.model_copy(update={"segmentation": seen}))]
            )
            assert row["parenchyma_ml"] == expected

    def test_charts_of_the_page(self) -> None:
        numbers = [1, 0, 1, 2, 1, 2, 1, 90]
        made = entries(numbers)
        made[2] = Entry(made[2].outcome, record_of({"swi": "x"}, 1))  # without phase
        page = render(table_rows(made), title="group", links={})

        def chart(label: str) -> dict[str, int]:
            part = page.split(f'aria-label="{label}">')[1].split("</table>")[0]
            cells = re.findall(r'<th scope="row">(.*?)</th><td class="number-cell">(\d+)</td>', part)
            return {name: int(number) for name, number in cells}

        burden = chart("Scans by number of microbleeds")
        assert [burden[name] for name in ("0", "1", "2-4", "5-9", "≥ 10")] == [1, 4, 2, 0, 1]
        groups = chart("Microbleeds by group")
        assert next(number for name, number in groups.items() if name.lower() == "lobar") == sum(numbers)
        assert sum(chart("Microbleeds by row").values()) == sum(numbers)
        assert sum(chart("Scans by quality flag").values()) == 1
        outliers = page.split("<h2>Outliers</h2>")[1].split("</section>")[0]
        assert re.findall(r"<tr><td>(.*?)</td>", outliers) == ["s7"]
        assert "<dt>Failed</dt><dd>1</dd>" in page


class TestGather:
    def test_folders_of_nifti_and_dicom(self, tmp_path: Path) -> None:
        image(tmp_path / "anna" / "SWI.nii.gz")
        image(tmp_path / "anna" / "phase.nii.gz")
        image(tmp_path / "bert_swi.nii.gz")
        (tmp_path / "carl" / "series").mkdir(parents=True)
        (tmp_path / "carl" / "series" / "IM0001").write_bytes(bytes(128) + b"DICM")
        (tmp_path / "dora.zip").write_bytes(b"PK")
        (tmp_path / "notes.txt").write_text("nothing")
        (tmp_path / "README").write_text("These are scans.")
        (tmp_path / "code").mkdir()
        (tmp_path / "code" / "CHANGES.1").write_text("No scan is here.")
        found = {one.name: sorted(one.inputs) for one in gather(tmp_path)}
        assert found == {"anna": ["phase", "swi"], "bert": ["swi"], "carl": ["swi"], "dora": ["swi"]}

    def test_lists_and_tables(self, tmp_path: Path) -> None:
        (tmp_path / "list.txt").write_text("# scans\na/swi.nii.gz\n\nb/swi.nii.gz\n")
        assert [(one.name, one.inputs["swi"].parent.name) for one in gather(tmp_path / "list.txt")] == [
            ("swi", "a"), ("swi_2", "b"),
        ]  # fmt: skip
        (tmp_path / "t.csv").write_text("name,swi,phase\n../up,a.nii,b.nii\n,c.nii,n/a\n")
        found = gather(tmp_path / "t.csv")
        assert [(one.name, sorted(one.inputs)) for one in found] == [("up", ["phase", "swi"]), ("c", ["swi"])]
        (tmp_path / "p.csv").write_text("name,SWI, phase\nx,a.nii, b.nii\n")
        assert [(one.name, sorted(one.inputs)) for one in gather(tmp_path / "p.csv")] == [("x", ["phase", "swi"])]
        for wrong, match in (("swi,pha\na.nii,b.nii\n", "column 'pha'"), ("swi\na.nii,b.nii\n", "more cells")):
            (tmp_path / "w.csv").write_text(wrong)
            with pytest.raises(InputError, match=match):
                gather(tmp_path / "w.csv")
        (tmp_path / "s.tsv").write_text('"swi"\t"phase"\n"a b.nii"\tc.nii\n')  # as a spreadsheet writes it
        assert [path.name for path in gather(tmp_path / "s.tsv")[0].inputs.values()] == ["a b.nii", "c.nii"]
        (tmp_path / "w.csv").write_text("swi,SWI\na.nii,b.nii\n")
        with pytest.raises(InputError, match="2 columns swi; keep one"):
            gather(tmp_path / "w.csv")
        (tmp_path / "q.tsv").write_text('swi\tphase\n"a/x.nii.gz\tn/a\nb/y.nii.gz\tn/a\nn/a\tz.nii.gz\n')
        found = gather(tmp_path / "q.tsv")
        assert [(one.name, sorted(one.inputs)) for one in found] == [
            ("x", ["swi"]), ("y", ["swi"]), ("z", ["phase"]),
        ], "a stray quotation mark swallows no row"  # fmt: skip
        (tmp_path / "u.tsv").write_text("scan\nx\n")
        with pytest.raises(InputError, match="needs a column"):
            gather(tmp_path / "u.tsv")

    @pytest.mark.parametrize(
        ("given", "names"),
        [
            (["a", "a", "a_2"], ["a", "a_3", "a_2"]),
            (["a_2", "a", "a", "A"], ["a_2", "a", "a_3", "A_4"]),
            (["Scan", "scan", "logs", "logs_", "Logs"], ["Scan", "scan_2", "logs_", "logs__2", "Logs__3"]),
        ],
    )
    def test_every_name_is_given_once(self, tmp_path: Path, given: list[str], names: list[str]) -> None:
        (tmp_path / "t.csv").write_text("name,swi\n" + "".join(f"{name},x.nii\n" for name in given))
        assert [one.name for one in gather(tmp_path / "t.csv", reserved=("logs",))] == names

    def test_several_of_a_role_are_to_be_named_in_a_table(self, tmp_path: Path) -> None:
        for name in ("one_SWI", "two_SWI"):
            image(tmp_path / "sub-1" / f"{name}.nii.gz")
        (refused,) = gather(tmp_path)
        assert "table (.tsv) with the columns swi, magnitude and phase" in str(refused.refused)
        assert "labels.json" not in str(refused.refused)

    def test_links_are_followed(self, tmp_path: Path) -> None:
        image(tmp_path / "elsewhere" / "a" / "swi.nii.gz")
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "a").symlink_to(tmp_path / "elsewhere" / "a")
        (tmp_path / "data" / "b_swi.nii.gz").symlink_to(tmp_path / "not-fetched")
        assert sorted(one.name for one in gather(tmp_path / "data")) == ["a", "b"]

    def test_folders_without_a_suitable_image_are_named(self, tmp_path: Path) -> None:
        image(tmp_path / "anna" / "SWI.nii.gz")
        image(tmp_path / "anna" / "T1.nii.gz")
        image(tmp_path / "b" / "anat_t1.nii.gz")
        image(tmp_path / "masks" / "anna_mask.nii.gz")
        image(tmp_path / "carl" / "T1.nii.gz")
        (tmp_path / "carl" / "IM0001").write_bytes(bytes(128) + b"DICM")
        for session in (1, 2):
            image(tmp_path / "sub-1" / f"ses-{session}" / "anat" / f"sub-1_ses-{session}_T1w.nii.gz")
        image(tmp_path / "sub-1" / "ses-1" / "anat" / "sub-1_ses-1_swi.nii.gz")
        found = {one.name: one for one in gather(tmp_path)}
        assert {name for name, one in found.items() if not one.absent} == {"anna", "carl", "sub-1_ses-1"}
        assert {name for name, one in found.items() if one.absent} == {"b", "sub-1_ses-2"}
        assert "anat_t1.nii.gz" in str(found["b"].refused)

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds no scan"):
            gather(tmp_path)
        with pytest.raises(InputError, match="doesn't exist"):
            gather(tmp_path / "none")


def test_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import nullcontext

    monkeypatch.setattr(many, "open_pool", lambda settings, tasks: nullcontext())
    monkeypatch.setattr(many, "with_weights", lambda options: options)
    monkeypatch.setattr(many, "settled", lambda options, client, memory: options)
    monkeypatch.setattr(
        many,
        "run_all",
        lambda tasks, work, client, finished, abreast: [(o := work(t), finished(o))[0] for t in tasks],
    )
    for name in ("a", "broken", "logs", "b/anat_t1"):
        image(tmp_path / "in" / f"{name}.nii.gz")
    out = tmp_path / "out"
    seen: list[int] = []
    outcomes = many.search_many(
        tmp_path / "in",
        out,
        SearchOptions(),
        PoolSettings(),
        lambda w, done, total, o: seen.append(done),
        little_search,
    )
    assert seen == [1, 2, 3]
    assert {outcome.name: outcome.state for outcome in outcomes} == {
        "a": "done",
        "broken": "failed",
        "logs_": "done",
        "b": "absent",
    }
    assert (out / "a" / "findings.json").exists()
    assert "The image is broken." in (out / "scans.html").read_text()
    with pytest.raises(InputError, match="lies in the folder"):
        many.search_many(tmp_path / "in", tmp_path / "in" / "out", SearchOptions(), PoolSettings())
