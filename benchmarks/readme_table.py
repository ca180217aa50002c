"""Writes the results table of README.md from the stored results: python benchmarks/readme_table.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cohort import cohort_named
from interval_text import number_text, percent_text
from microbleeds.report.run_record import sha256_of
from microbleeds.weights import load_detector
from microbleeds.weights.anatomy_store import SHIPPED as ANATOMY_WEIGHTS
from pages import write_part

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
COHORTS = ("full", "paper", "mixed")  # validation chose the thresholds and is no result
INPUTS = {
    "swi+phase": "SWI and phase",
    "magnitude+phase": "magnitude and phase",
    "swi": "SWI alone",
    "magnitude": "magnitude alone",
}


def main() -> None:
    """Collect the results and write the table."""
    results = results_of(load_detector().card.sha256, HERE / "results")
    results.sort(key=lambda r: (COHORTS.index(r["cohort"]), list(INPUTS).index(r["input"]), r["operating_point"]))
    lines: list[str] = []
    for name in dict.fromkeys(r["cohort"] for r in results):
        lines += _cohort([r for r in results if r["cohort"] == name])
    lines += _speed(json.loads((HERE / "results" / "speed.json").read_text(encoding="utf-8")))
    write_part("results", lines, README)
    print("\n".join(lines))


def results_of(sha256: str, folder: Path) -> list[dict[str, Any]]:
    """Return the stored results of some weights on test cohorts."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("detection-*.json"))]
    return [result for result in read if result["model_sha256"] == sha256 and result["cohort"] in COHORTS]


def _cohort(results: list[dict[str, Any]]) -> list[str]:
    first = results[0]
    scores, cohort = first["scores"], cohort_named(first["cohort"])
    protocol = "all protocols" if cohort.protocol == "mixed" else f"one protocol, `{cohort.protocol}`"
    lines = [
        f"**Cohort `{cohort.name}`** ({protocol}): {scores['subjects']} simulated subjects, "
        f"{scores['negative_subjects']} of them without a visible microbleed, {scores['microbleeds']} visible "
        f"microbleeds; seeds never used in training, heads deformed from {len(cohort.anatomies)} label maps never "
        "used in training. A hit lies within 5 mm; 95 % intervals over these heads in brackets: another label map "
        "may change more.",
        "",
        "| input | operating point | sensitivity | false positives per subject | in subjects without | precision "
        "| right group (MARS) | by Kim's grouping |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        at = result["scores"]["radii"][0]["operating"]
        cells = [
            INPUTS[result["input"]],
            result["operating_point"],
            percent_text(at["sensitivity"]),
            number_text(at["false_positives_per_subject"], 2),
            number_text(at["false_positives_per_negative_subject"], 2),
            percent_text(at["precision"]),
            percent_text(result["scores"]["right_group"]),
            percent_text(result["scores"]["placement"]["by_scale"]["Kim"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        _groups(scores),
        "",
        _mineralisation(scores),
        "",
        f"Weights `{first['model']}` ({first['model_sha256'][:8]}); {_made(results)}. "
        f"Remake a row: `{first['command']}`, after `python benchmarks/detection.py build {first['cohort']} "
        "--anatomy FOLDER --data DATA`.",
        "",
    ]
    if any(result["anatomy_sha256"] != sha256_of(ANATOMY_WEIGHTS) for result in results):
        lines += [
            f"These rows were made with the segmentation of that commit ({first['anatomy_sha256'][:8]}) and the "
            "operating point of then. The segmentation has been replaced since: rows and speed are to be measured "
            "again.",
            "",
        ]
    return lines


def _mineralisation(scores: dict[str, Any]) -> str:
    """Return what is counted neither as a hit nor as a false positive, and what the figures are with it."""
    at, subjects = scores["radii"][0]["operating"], scores["subjects"]
    spots = sum(n for kind, n in scores["ignored_kinds"].items() if kind.endswith("mineralisation"))
    marks = at["false_positives"] + spots
    return (
        f"Mineralisation of pallidum and dentate is paramagnetic, as bleeds are: {spots} findings there "
        f"({spots / subjects:.2f} per subject, first row) count as neither hit nor false positive, as was decided "
        "beforehand. **A reader sees them all the same** and must tell them by place and symmetry: with them it "
        f"is {marks / subjects:.2f} wrong marks per subject and a precision of "
        f"{100 * at['hits'] / (at['hits'] + marks):.0f} %."
    )


def _made(results: list[dict[str, Any]]) -> str:
    """Return at which commit, when and on what machine each row was made; once where that is the same for all."""
    rows = [
        f"commit {result['commit']}, {result['date'][:10]}, {_machine(result['hardware'])}" for result in results
    ]
    if len(set(rows)) == 1:
        return rows[0]
    numbered: dict[str, list[str]] = {}
    for number, row in enumerate(rows, start=1):
        numbered.setdefault(row, []).append(str(number))
    return "; ".join(f"row {', '.join(numbers)}: {row}" for row, numbers in numbered.items())


def _machine(hardware: dict[str, Any]) -> str:
    """Return the processor, the precision where it was noted, and the threads."""
    known = [hardware["processor"], hardware.get("precision"), f"{hardware['threads']} threads"]
    return ", ".join(part for part in known if part)


def _groups(scores: dict[str, Any]) -> str:
    """Return a sentence on groups and on the call that most depends on them."""
    by_group = ", ".join(f"{g['group']} {percent_text(g['right_group'])}" for g in scores["placement"]["by_group"])
    (_, wrongly, open_not), (missed, rightly, open_truly) = scores["patients"]["strictly_lobar_confusion"]
    unknown = open_not + open_truly
    rest = f"{missed} that are were called not; it was left unknown for {unknown}, {open_truly} of whom are"
    return (
        f"By true group, the right one by MARS (first row): {by_group}. *Strictly lobar* was said of "
        f"{wrongly + rightly} subjects, rightly of {rightly}; {rest}."
    )


def _speed(result: dict[str, Any]) -> list[str]:
    seconds, memory = result["seconds"], result["peak_memory_mb"]
    return [
        f"**Speed**: `microbleeds detect` on 384 x 448 x 72 voxels, report included: "
        f"{seconds['detect']['median']:.1f} s and {memory['detect'] / 1000:.1f} GB; simulating such a scan: "
        f"{seconds['simulate']['median']:.0f} s and {memory['simulate'] / 1000:.1f} GB, a further one of the same "
        f"head {seconds['simulate_again']['median']:.1f} s ({result['hardware']['processor']}, "
        f"{result['hardware']['threads']} threads, whole processes, median of {result['runs']}; "
        f"`{result['command']}`).",
        "",
    ]


if __name__ == "__main__":
    main()
