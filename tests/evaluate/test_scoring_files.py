"""Files that can be scored, and whole cohorts against frozen values."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from microbleeds.errors import InputError
from microbleeds.evaluate import evaluate_cohort, read_cases, read_predictions, read_truth
from microbleeds.evaluate.cases import Case, predictions, truth

TRUTH_HEADER = (
    "id\tx_mm\ty_mm\tz_mm\tdiameter_mm\tradius_mm\tsusceptibility_ppm\tmoment_ppm_mm3\tcnr\tclutter_contrast"
    "\tvisible\tgroup\tregion\tside\n"
)
MIMIC_HEADER = "id\tkind\tx_mm\ty_mm\tz_mm\tradius_mm\tsusceptibility_ppm\tscored\n"


def write_subject(truths: Path, name: str, rows: str, mimics: str = "") -> None:
    folder = truths / "derivatives" / "truth" / name / "anat"
    folder.mkdir(parents=True)
    (folder / f"{name}_microbleeds.tsv").write_text(TRUTH_HEADER + rows)
    (folder / f"{name}_mimics.tsv").write_text(MIMIC_HEADER + mimics)


def write_findings(folder: Path, findings: list[dict]) -> None:
    folder.mkdir(parents=True)
    (folder / "findings.json").write_text(json.dumps({"findings": findings, "counts": {}}))


def finding(position, score, kept=True, removed_by=None, group="lobar", region="frontal") -> dict:
    return {
        "position_ras_mm": position,
        "score": score,
        "kept": kept,
        "removed_by": removed_by,
        "group": group,
        "region": region,
    }


@pytest.fixture
def cohort(tmp_path: Path) -> tuple[Path, Path]:
    """Two subjects: three visible bleeds and an invisible one; a negative subject with a calcification."""
    truths, found = tmp_path / "data", tmp_path / "found"
    write_subject(
        truths,
        "sub-001",
        "1\t0\t0\t0\t2.5\t1\t1\t4\t12\t3.5\t1\tlobar\tfrontal\tright\n"
        "2\t30\t0\t0\t4.5\t1\t1\t4\t20\t9\t1\tdeep\tthalamus\tright\n"
        "3\t60\t0\t0\tn/a\t1\t1\t4\tn/a\t0.5\t1\tlobar\tinsula\tright\n"
        "4\t0\t40\t0\t1.0\t1\t1\t4\t1\t0.5\t0\tlobar\tfrontal\tright\n",
    )
    write_subject(truths, "sub-002", "", "1\tcalcification\t10\t10\t10\t1\t-1\tmimic\n")
    write_findings(
        found / "sub-001",
        [
            finding([0, 0, 4], 0.9),
            finding([30, 1, 0], 0.8, group="lobar"),
            finding([60, 0, 0], 0.3, kept=False, removed_by="score"),
            finding([0, 41, 0], 0.7),
            finding([0, 0, 80], 0.95, kept=False, removed_by="anatomy"),
        ],
    )
    write_findings(found / "sub-002", [finding([10, 10, 11], 0.6), finding([50, 10, 11], 0.5)])
    return found, truths


class TestCohort:
    def test_worked_by_hand(self, cohort):
        scores = evaluate_cohort(read_cases(*cohort), repeats=50)
        assert (scores.subjects, scores.negative_subjects) == (2, 1)
        assert (scores.microbleeds, scores.ignored_microbleeds) == (3, 1)
        near, strict = scores.radii
        assert (near.operating.hits, near.operating.false_positives, near.operating.missed) == (2, 2, 1)
        assert (strict.operating.hits, strict.operating.false_positives, strict.operating.missed) == (1, 3, 2)
        assert near.operating.sensitivity.value == pytest.approx(2 / 3)
        assert near.operating.precision.value == 0.5
        assert near.operating.f1.value == pytest.approx(4 / 7)
        assert near.operating.false_positives_per_subject.value == 1
        assert near.operating.false_positives_per_negative_subject.value == 2
        # The curve goes on below the operating point, but what anatomy ruled out never comes back.
        assert near.curve["threshold"] == [None, 0.9, 0.8, 0.6, 0.5, 0.3]
        assert near.sensitivity_at["1"].value == 1
        assert near.sensitivity_at["0.25"].value == pytest.approx(2 / 3)

    def test_strata_placement_patients_and_kinds(self, cohort):
        scores = evaluate_cohort(read_cases(*cohort), repeats=10)
        groups = {s.name: (s.found, s.total) for s in scores.strata["group"]}
        assert groups == {"deep": (1, 1), "lobar": (1, 2)}
        sizes = {s.name: (s.found, s.total) for s in scores.strata["diameter_mm"] if s.total}
        assert sizes == {"2-3 mm": (1, 1), "4-5 mm": (1, 1), "unknown": (0, 1)}
        assert scores.right_group.value == 0.5
        assert scores.false_positive_kinds == {"calcification": 1, "other": 1}
        assert scores.ignored_kinds == {"microbleed-not-visible": 1}
        assert scores.patients.burden_accuracy == 0.5
        # Truth: not strictly lobar, twice; predicted: strictly lobar, twice.
        assert scores.patients.strictly_lobar_confusion == [[0, 2, 0], [0, 0, 0]]

    def test_infratentorial_alone_may_be_cerebellum(self, tmp_path):
        """Only a region tells it from the brainstem, on which 'strictly lobar' hangs."""
        lines = {
            "sub-001": ("lobar\tn/a", "infratentorial\tn/a"),  # unknown: left out
            "sub-002": ("lobar\tn/a", "infratentorial\tcerebellum"),
            "sub-003": ("deep\tn/a", "infratentorial\tn/a"),
        }
        for folder in ("truth", "found"):
            (tmp_path / folder).mkdir()
            for name, places in lines.items():
                rows = "".join(f"{30 * n}\t0\t0\t{place}\n" for n, place in enumerate(places))
                text = "x_mm\ty_mm\tz_mm\tgroup\tregion\n" + rows
                (tmp_path / folder / f"{name}.tsv").write_text(text)
        scores = evaluate_cohort(read_cases(tmp_path / "found", tmp_path / "truth"), repeats=10)
        assert scores.patients.strictly_lobar_confusion == [[1, 0, 0], [0, 1, 0]]

    def test_what_findings_leave_open_is_unknown(self, tmp_path):
        """A finding near another group, and a doubtful segmentation that leaves nothing to count."""
        lobar = truth([[0, 0, 0]], groups=("lobar",), regions=("frontal",))
        deep = truth([[0, 0, 0]], groups=("deep",), regions=("thalamus",))
        near = finding([0, 0, 0], 0.9) | {"place_confidence": "border"}
        spinal = finding([0, 0, 0], 0.9, group="infratentorial", region=None)
        doubted = {"groups_uncertain": True}
        confusions = []
        for there, findings, counts in (
            (lobar, [near], {}),
            (deep, [spinal], {}),
            (deep, [], doubted),
            (lobar, [], {}),
        ):
            (tmp_path / "findings.json").write_text(json.dumps({"findings": findings, "counts": counts}))
            case = Case("a", read_predictions(tmp_path / "findings.json"), there)
            confusions.append(evaluate_cohort([case], repeats=5).patients.strictly_lobar_confusion)
        assert confusions == [
            [[0, 0, 0], [0, 0, 1]],
            [[0, 0, 1], [0, 0, 0]],
            [[0, 0, 1], [0, 0, 0]],
            [[0, 0, 0], [1, 0, 0]],
        ]

    def test_ignored_candidates_count_in_no_burden(self):
        """Two are kept, of which one lies on what is not visible: class 1, not 2-4."""
        there = truth([[0, 0, 0], [40, 0, 0]], visible=[True, False])
        scores = evaluate_cohort([Case("a", predictions([[0, 0, 0], [40, 0, 0]]), there)], repeats=5)
        assert scores.ignored_kinds == {"microbleed-not-visible": 1}
        assert scores.patients.burden_confusion[1] == [0, 1, 0, 0, 0]

    def test_mineralisation_is_ignored_and_has_a_row_of_its_own(self):
        there = truth(
            [],
            mimics_mm=[[0, 0, 0], [40, 0, 0]],
            mimic_kinds=("pallidal-mineralisation", "calcification"),
            mimic_ignored=[True, False],
        )
        found = predictions([[0, 0, 1], [40, 0, 1]], [0.9, 0.8])
        scores = evaluate_cohort([Case("a", found, there)], repeats=5)
        assert scores.radii[0].operating.false_positives == 1
        assert scores.ignored_kinds == {"pallidal-mineralisation": 1}
        assert scores.false_positive_kinds == {"calcification": 1}

    def test_what_is_not_said_of_mimics_is_filled_in(self):
        there = truth([[0, 0, 0]], mimics_mm=[[50, 0, 0]])
        scores = evaluate_cohort([Case("a", predictions([[50, 0, 0]]), there)], repeats=5)
        assert scores.false_positive_kinds == {"unknown": 1}

    def test_a_text_is_one_name(self):
        assert truth([[0, 0, 0]], groups="lobar").groups == ("lobar",)

    @pytest.mark.parametrize("name", ["kept", "ruled_out", "groups", "regions", "sides", "sure", "scores"])
    def test_predictions_have_one_value_each(self, name):
        with pytest.raises(InputError, match=f"2 predictions but 1 values of {name}"):
            predictions([[0, 0, 0], [9, 9, 9]], **{name: (1,)})

    @pytest.mark.parametrize("name", ["visible", "groups", "regions", "sides", "diameter_mm", "contrast"])
    def test_microbleeds_have_one_value_each(self, name):
        with pytest.raises(InputError, match=f"1 microbleeds but 2 values of {name}"):
            truth([[0, 0, 0]], **{name: (1, 1)})

    @pytest.mark.parametrize("name", ["mimic_kinds", "mimic_ignored"])
    def test_mimics_have_one_value_each(self, name):
        with pytest.raises(InputError, match=f"0 mimics but 2 values of {name}"):
            truth([[0, 0, 0]], **{name: (1, 1)})

    @pytest.mark.parametrize(("how", "words"), [({"radii_mm": ()}, "radii"), ({"repeats": 0}, "draws")])
    def test_numbers_that_score_nothing(self, how, words):
        with pytest.raises(InputError, match=words):
            evaluate_cohort([Case("a", predictions([]), truth([]))], **how)

    def test_threshold_of_the_caller(self, cohort):
        scores = evaluate_cohort(read_cases(*cohort), threshold=0.85, repeats=10)
        assert (scores.radii[0].operating.hits, scores.radii[0].operating.false_positives) == (1, 0)
        assert scores.operating_point == "score >= 0.85"

    def test_is_json_and_repeats(self, cohort):
        text = json.dumps(evaluate_cohort(read_cases(*cohort), repeats=20).to_dict(), allow_nan=False)
        assert text == json.dumps(evaluate_cohort(read_cases(*cohort), repeats=20).to_dict())

    def test_one_perfect_lesion_and_nothing_else(self):
        cases = [Case("a", predictions([[1, 2, 3]], [0.8]), truth([[1, 2, 3]]))]
        scores = evaluate_cohort(cases, repeats=10)
        assert scores.radii[0].mean_sensitivity.value == 1
        assert scores.radii[0].operating.f1.value == 1

    def test_a_perfect_cohort_has_intervals_with_width(self):
        places = {"groups": ("lobar",), "regions": ("frontal_white",)}
        there, found = truth([[1, 2, 3]], **places), predictions([[1, 2, 3]], [0.8], **places)
        cases = [Case(f"a{n}", found, there) for n in range(8)]
        cases += [Case(f"b{n}", predictions([]), truth([])) for n in range(4)]
        scores = evaluate_cohort(cases, repeats=50)
        near, share = scores.radii[0].operating, 0.025 ** (1 / 8)
        shares = (near.sensitivity, near.precision, near.f1, scores.radii[0].mean_sensitivity, scores.right_group)
        for interval in (*shares, scores.radii[0].sensitivity_at["1"], scores.placement.by_scale["BOMBS"]):
            assert (interval.value, interval.high) == (1, 1)
            assert interval.low == pytest.approx(share)
        assert near.false_positives_per_subject.high == pytest.approx(3.689 / 12, abs=1e-3)
        assert near.false_positives_per_negative_subject.high == pytest.approx(3.689 / 4, abs=1e-3)

    def test_cohort_without_lesions_or_findings(self):
        scores = evaluate_cohort([Case("a", predictions([]), truth([]))], repeats=10)
        assert scores.radii[0].operating.sensitivity.value is None
        assert scores.radii[0].operating.false_positives_per_subject.value == 0
        assert scores.calibration_error is None

    def test_missing_subject_is_no_negative(self, cohort):
        found, truths = cohort
        (found / "sub-002" / "findings.json").unlink()
        (found / "sub-002").rmdir()
        with pytest.raises(InputError, match="sub-002"):
            read_cases(found, truths)


class TestPairing:
    """Flat folders: sub-01_ses-1.tsv and so on."""

    @staticmethod
    def folders(tmp_path: Path, truths: dict[str, int], found: dict[str, int]) -> tuple[Path, Path]:
        """Write tables of so many microbleeds and findings under these names."""
        for folder, files in (("truth", truths), ("found", found)):
            (tmp_path / folder).mkdir()
            for name, count in files.items():
                rows = "".join(f"{10 * n}\t0\t0\n" for n in range(count))
                (tmp_path / folder / name).write_text("x_mm\ty_mm\tz_mm\n" + rows)
        return tmp_path / "found", tmp_path / "truth"

    def test_sessions_are_kept_apart(self, tmp_path):
        names = {"sub-01_ses-1.tsv": 1, "sub-01_ses-2.tsv": 2, "sub-1_ses-1.csv": 3}
        cases = read_cases(
            *self.folders(tmp_path, names, {name.replace(".", "_list."): n for name, n in names.items()})
        )
        assert [case.name for case in cases] == ["sub-01_ses-1", "sub-01_ses-2", "sub-1_ses-1"]
        for case, count in zip(cases, (1, 2, 3), strict=True):
            assert len(case.predictions.scores) == len(case.truth.counted_mm) == count

    def test_folders_of_sessions(self, tmp_path):
        for session, score in (("ses-1", 0.5), ("ses-2", 0.9)):
            anat = tmp_path / "truth" / "sub-01" / session / "anat"
            anat.mkdir(parents=True)
            (anat / f"sub-01_{session}_microbleeds.tsv").write_text("x_mm\ty_mm\tz_mm\n")
            write_findings(tmp_path / "found" / "sub-01" / session, [finding([0, 0, 0], score)])
        cases = read_cases(tmp_path / "found", tmp_path / "truth")
        assert [(case.name, case.predictions.scores[0]) for case in cases] == [
            ("sub-01_ses-1", 0.5),
            ("sub-01_ses-2", 0.9),
        ]

    def test_visits_of_a_subject_are_drawn_together(self, tmp_path):
        truths = {f"sub-{n}_ses-{visit}.tsv": 1 for n in range(6) for visit in range(4)}
        found = {name: int(name[4] in "024") for name in truths}  # the same at each visit
        cases = read_cases(*self.folders(tmp_path, truths, found))
        everything, first = evaluate_cohort(cases), evaluate_cohort([c for c in cases if c.name.endswith("ses-1")])
        assert (everything.subjects, everything.scans, first.subjects, first.scans) == (6, 24, 6, 6)
        assert everything.radii[0].operating.sensitivity == first.radii[0].operating.sensitivity
        assert everything.radii[0].operating.hits == 4 * first.radii[0].operating.hits

    @pytest.mark.parametrize("names", [["sub-02.tsv"], ["sub-01_ses-2.tsv"], ["sub-02_ses-1.tsv", "sub-03.tsv"]])
    def test_findings_without_truth_are_refused(self, tmp_path, names: list[str]):
        """Left out, their false positives would count nowhere."""
        truths = {"sub-01_ses-1.tsv": 1}
        found = truths | dict.fromkeys(names, 3)
        with pytest.raises(InputError, match=f"{names[0][:-4]}.* has findings .*no truth.*header and no rows"):
            read_cases(*self.folders(tmp_path, truths, found))
        (tmp_path / "truth" / names[0]).write_text("x_mm\ty_mm\tz_mm\n")
        if len(names) == 1:
            assert len(read_cases(tmp_path / "found", tmp_path / "truth")) == 2

    def test_the_output_folder_of_the_bids_app(self, tmp_path):
        for session in ("ses-1", "ses-2"):
            write_findings(tmp_path / "out" / "results" / f"sub-01_{session}", [finding([0, 0, 0], 0.9)])
            (tmp_path / "out" / "sub-01" / session / "anat").mkdir(parents=True)
            write_subject(tmp_path / "data", f"sub-01_{session}", "")
        (tmp_path / "out" / "results" / "sub-01_followup" / "ses-1_since-2").mkdir(parents=True)
        cases = read_cases(tmp_path / "out", tmp_path / "data")
        assert [(case.name, len(case.predictions.scores)) for case in cases] == [
            ("sub-01_ses-1", 1),
            ("sub-01_ses-2", 1),
        ]

    def test_mimics_are_no_second_truth(self, tmp_path):
        found, truths = self.folders(tmp_path, {"sub-01_microbleeds.tsv": 1}, {"sub-01.tsv": 1})
        (truths / "sub-01_mimics.tsv").write_text(MIMIC_HEADER + "1\tvein\t50\t0\t0\t1\t1\tmimic\n")
        (case,) = read_cases(found, truths)
        assert (len(case.truth.counted_mm), case.truth.mimic_kinds) == (1, ("vein",))

    def test_a_sidecar_is_no_list(self, tmp_path):
        found, truths = self.folders(tmp_path, {"sub-01.tsv": 1}, {"sub-01_findings.tsv": 2})
        (found / "sub-01_findings.json").write_text("{}")
        (case,) = read_cases(found, truths)
        assert len(case.predictions.scores) == 2

    def test_a_session_that_one_side_names_does_not_matter(self, tmp_path):
        (case,) = read_cases(*self.folders(tmp_path, {"sub-01_ses-1.tsv": 1}, {"sub-01.tsv": 1}))
        assert case.name == "sub-01_ses-1"

    @pytest.mark.parametrize(
        ("truths", "found", "said"),
        [
            ({"sub-01_a.tsv": 1, "sub-01_b.tsv": 1}, {"sub-01.tsv": 1}, "may both be the truth of sub-01"),
            ({"sub-01.tsv": 1}, {"sub-01_a.tsv": 1, "sub-01_b.tsv": 1}, "may all be the findings of sub-01"),
            (
                {"sub-01_ses-1.tsv": 1, "sub-01_ses-2.tsv": 1},
                {"sub-01.tsv": 1},
                "no findings for sub-01_ses-1 and 1",
            ),
        ],
    )
    def test_what_may_be_either_is_refused(self, tmp_path, truths: dict, found: dict, said: str):
        with pytest.raises(InputError, match=said):
            read_cases(*self.folders(tmp_path, truths, found))


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a.tsv", "id\tx_mm\ty_mm\tz_mm\tscore\n1\t1.5\t-2\t3\t0.5\n"),
            ("a.csv", "score,x,y,z\n0.5,1.5,-2,3\n"),
            ("a.csv", "1.5;-2;3;0.5\n"),
            ("a.csv", "sep=;\nx;y;z;score\n1.5;-2;3;0.5\n"),
            ("a.txt", "1.5 -2 3 0.5\n"),
        ],
    )
    def test_point_lists(self, tmp_path, name, text):
        (tmp_path / name).write_text(text)
        found = read_predictions(tmp_path / name)
        assert found.positions_mm.tolist() == [[1.5, -2, 3]]
        assert found.scores.tolist() == [0.5]

    def test_plain_positions_have_score_one(self, tmp_path):
        (tmp_path / "a.csv").write_text("1,2,3\n4,5,6\n")
        assert read_predictions(tmp_path / "a.csv").scores.tolist() == [1, 1]

    def test_header_alone_is_a_scan_without_findings(self, tmp_path):
        (tmp_path / "a.tsv").write_text("x_mm\ty_mm\tz_mm\tscore\n")
        assert read_predictions(tmp_path / "a.tsv").positions_mm.shape == (0, 3)

    @pytest.mark.parametrize(
        "text", ["", "a,b\n1,2\n", "1,2\n", "x,y,z\n1,2\n", "x,y,z\n1,2,oops\n", "x,y,z\n1,2,n/a\n"]
    )
    def test_broken_tables_are_a_sentence(self, tmp_path, text):
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(InputError, match=r"a\.csv"):
            read_predictions(tmp_path / "a.csv")

    def test_binary_mask_components_become_points(self, tmp_path):
        array = np.zeros((20, 20, 10), dtype=np.uint8)
        array[2:5, 3:6, 4] = 1
        array[12, 12, 8] = array[13, 13, 9] = 1  # touching at a corner: one component
        affine = np.diag([-0.5, 0.5, 2.0, 1.0])
        affine[:3, 3] = 10, -20, 30
        nib.save(nib.Nifti1Image(array, affine), tmp_path / "mask.nii.gz")
        found = read_predictions(tmp_path / "mask.nii.gz")
        np.testing.assert_allclose(found.positions_mm, [[8.5, -18, 38], [3.75, -13.75, 47]])
        assert found.scores.tolist() == [1, 1]
        np.testing.assert_allclose(read_truth(tmp_path / "mask.nii.gz").positions_mm, found.positions_mm)

    def test_touching_labels_stay_apart_and_probabilities_give_scores(self, tmp_path):
        labels = np.zeros((8, 8, 8), dtype=np.int16)
        labels[2, 2, 2], labels[3, 2, 2] = 1, 2
        nib.save(nib.Nifti1Image(labels, np.diag([0.5, 0.5, 2.0, 1.0])), tmp_path / "labels.nii.gz")
        assert len(read_predictions(tmp_path / "labels.nii.gz").scores) == 2
        probability = np.zeros((8, 8, 8), dtype=np.float32)
        probability[1, 1, 1], probability[6, 6, 6], probability[4, 4, 4] = 0.75, 0.9, 0.3
        nib.save(nib.Nifti1Image(probability, np.diag([0.5, 0.5, 2.0, 1.0])), tmp_path / "p.nii.gz")
        np.testing.assert_allclose(read_predictions(tmp_path / "p.nii.gz").scores, [0.75, 0.9])

    @pytest.mark.parametrize(
        ("array", "affine", "said"),
        [
            (np.full((8, 8, 8), 7), np.diag([0.5, 0.5, 2.0, 1.0]), "marks 100% of its volume"),
            (-np.eye(8)[None].repeat(8, 0), np.diag([0.5, 0.5, 2.0, 1.0]), "negative"),
            (np.zeros((8, 8, 8)), np.eye(4), "identity affine"),
            ((np.indices((60, 60, 60)) % 4 == 0).all(0), np.diag([0.5, 0.5, 2.0, 1.0]), "specks"),
        ],
    )
    def test_what_is_no_mask_of_microbleeds_is_refused(self, tmp_path, array, affine, said):
        nib.save(nib.Nifti1Image(array.astype(np.int16), affine), tmp_path / "m.nii.gz")
        with pytest.raises(InputError, match=said):
            read_truth(tmp_path / "m.nii.gz")

    def test_probabilities_on_another_scale_are_refused(self, tmp_path):
        array = np.zeros((8, 8, 8), dtype=np.float32)
        array[2, 2, 2], array[6, 6, 6] = 100.5, 3.5
        nib.save(nib.Nifti1Image(array, np.diag([0.5, 0.5, 2.0, 1.0])), tmp_path / "m.nii.gz")
        for read in (read_truth, read_predictions):
            with pytest.raises(InputError, match=r"values up to 10[01] that aren't whole"):
                read(tmp_path / "m.nii.gz")

    def test_a_mask_without_orientation_is_refused(self, tmp_path):
        array = np.zeros((8, 8, 8), dtype=np.uint8)
        array[2, 2, 2] = 1
        mask = nib.Nifti1Image(array, np.diag([0.5, 0.5, 2.0, 1.0]))
        mask.set_sform(None, 0)
        mask.set_qform(None, 0)
        nib.save(mask, tmp_path / "m.nii.gz")
        with pytest.raises(InputError, match="states no orientation, so it has no place"):
            read_truth(tmp_path / "m.nii.gz")

    def test_scores_under_another_name_are_refused(self, tmp_path):
        (tmp_path / "a.csv").write_text("x_mm,y_mm,z_mm,probability\n1,2,3,0.9\n4,5,6,0.1\n")
        with pytest.raises(InputError, match="a column probability but none named score"):
            read_predictions(tmp_path / "a.csv")

    @pytest.mark.parametrize("word", ["rejected", "ignore", "Not a microbleed"])
    def test_truth_with_rejected_rows_is_refused(self, tmp_path, word):
        (tmp_path / "a.csv").write_text(f"x_mm,y_mm,z_mm,label\n1,2,3,cmb\n4,5,6,{word}\n")
        with pytest.raises(InputError, match="says of 1 rows that they are none"):
            read_truth(tmp_path / "a.csv")

    def test_a_mask_that_reaches_no_half_is_no_truth(self, tmp_path):
        """Of a program's probabilities it is a scan without findings, but not of what has one value only."""
        array = np.zeros((8, 8, 8), dtype=np.float32)
        array[2, 2, 2] = array[6, 6, 6] = 0.3
        path = tmp_path / "m.nii.gz"
        nib.save(nib.Nifti1Image(array, np.diag([0.5, 0.5, 2.0, 1.0])), path)
        for read in (read_truth, read_predictions):
            with pytest.raises(InputError, match=r"its largest value is 0\.3; write 0 and 1"):
                read(path)
        array[6, 6, 6] = 0.2
        nib.save(nib.Nifti1Image(array, np.diag([0.5, 0.5, 2.0, 1.0])), path)
        assert len(read_predictions(path).scores) == 0
        with pytest.raises(InputError, match="write 0 and 1"):
            read_truth(path)

    def test_a_list_of_slicer_says_its_space(self, tmp_path):
        for space, sign in (("LPS", -1), ("RAS", 1), ("1", -1)):
            (tmp_path / "a.csv").write_text(f"# CoordinateSystem = {space}\nx,y,z\n10,-20,30\n")
            assert read_truth(tmp_path / "a.csv").positions_mm.tolist() == [[sign * 10, sign * -20, 30]]

    def test_a_comma_in_quotes_parts_nothing(self, tmp_path):
        (tmp_path / "a.csv").write_text('x_mm,y_mm,z_mm,region\n1,2,3,"lobe, left"\n')
        assert read_truth(tmp_path / "a.csv").regions == ("lobe, left",)

    def test_quotation_marks_between_tabs(self, tmp_path):
        """A spreadsheet puts whole cells into them; elsewhere they are text."""
        rows = ('1\t2\t3\t"lobe, ""left"""', '4\t5\t6\t"old" bleed', '7\t8\t9\t5"')
        (tmp_path / "a.tsv").write_text("\n".join(("x_mm\ty_mm\tz_mm\tregion", *rows)))
        assert read_truth(tmp_path / "a.tsv").regions == ('lobe, "left"', '"old" bleed', '5"')

    def test_an_open_quotation_mark_swallows_no_rows(self, tmp_path):
        (tmp_path / "a.csv").write_text('x_mm,y_mm,z_mm,note\n1,2,3,"small\n4,5,6,x\n7,8,9,y"\n')
        with pytest.raises(InputError, match=r"Line 2 of .*a\.csv can't be split into cells"):
            read_truth(tmp_path / "a.csv")

    def test_rows_of_several_scans_are_not_pooled(self, tmp_path):
        (tmp_path / "a.csv").write_text("subject,x_mm,y_mm,z_mm\nsub-001,1,2,3\nsub-002,1,2,3\n")
        for read in (read_truth, read_predictions):
            with pytest.raises(InputError, match="names 2 scans"):
                read(tmp_path / "a.csv")

    @pytest.mark.parametrize(
        ("column", "word"), [("certainty", "no"), ("label", "Vein"), ("type", "calcification")]
    )
    def test_rows_that_a_reader_called_none_are_not_counted(self, tmp_path, column, word):
        (tmp_path / "a.csv").write_text(f"x_mm,y_mm,z_mm,{column}\n1,2,3,definite\n9,2,3,{word}\n")
        with pytest.raises(InputError, match=rf"Column {column} .* says of 1 rows that they are none \({word}\)"):
            read_truth(tmp_path / "a.csv")

    def test_a_list_of_candidates_is_no_truth(self, tmp_path):
        """This program's findings.tsv holds those that don't count too."""
        (tmp_path / "a.csv").write_text("x_mm,y_mm,z_mm,kept\n1,2,3,1\n9,2,3,0\n")
        with pytest.raises(InputError, match=r"Column kept .* says of 1 rows that they don't count"):
            read_truth(tmp_path / "a.csv")

    @pytest.mark.parametrize("name", ["a.json", "a.nii.gz", "a.docx"])
    def test_broken_files_are_a_sentence(self, tmp_path, name):
        (tmp_path / name).write_text("{")
        with pytest.raises(InputError, match=r"a\."):
            read_predictions(tmp_path / name)

    def test_foreign_json_is_a_sentence(self, tmp_path):
        (tmp_path / "a.json").write_text("[1, 2]")
        with pytest.raises(InputError, match=r"findings\.json"):
            read_predictions(tmp_path / "a.json")

    @pytest.mark.parametrize(
        ("change", "where"),
        [
            ({"score": "high"}, "findings.0.score"),
            ({"score": 10**400}, "findings.0.score"),
            ({"position_ras_mm": [1, 2]}, "findings.0.position_ras_mm.2"),
            ({"position_ras_mm": ["a", 2, 3]}, "findings.0.position_ras_mm.0"),
            ({"kept": "false"}, "findings.0.kept"),
        ],
    )
    def test_values_that_can_not_be_scored_are_named(self, tmp_path, change: dict, where: str):
        write_findings(tmp_path / "result", [finding([0, 0, 0], 0.9) | change])
        with pytest.raises(InputError, match=rf"no findings\.json of this program \({re.escape(where)}"):
            read_predictions(tmp_path / "result")

    @pytest.mark.parametrize("text", ['{"findings": {}}', "[" * 100_000])
    def test_what_is_no_list_of_findings_is_refused(self, tmp_path, text: str):
        (tmp_path / "findings.json").write_text(text)
        with pytest.raises(InputError, match=r"no findings\.json of this program"):
            read_predictions(tmp_path)

    def test_two_columns_of_one_name(self, tmp_path):
        (tmp_path / "a.csv").write_text("x_mm,y_mm,z_mm,X_mm\n1,2,3,4\n")
        with pytest.raises(InputError, match="has 2 columns x_mm; keep one"):
            read_predictions(tmp_path / "a.csv")

    def test_missing_path(self, tmp_path):
        with pytest.raises(InputError, match="does not exist"):
            read_cases(tmp_path / "no", tmp_path)
