r"""What each preset costs on this machine: training steps a second, the share of making crops, searching a head.

    python benchmarks/preset_cost.py measure --data data/train --cache cache
    python benchmarks/preset_cost.py table

Each preset is measured in a process of its own on one thread: run it on an idle machine. The search is that of the
first stage with its peaks, of weights as they are before training, on the first scan as the preset prepares it;
the second stage then looks at 60 places, as many as the shipped weights have candidates. Peak memory is that of
the whole process, training included.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from cohort import HERE
from cost import (
    detector_step_seconds,
    in_fresh_process,
    refinement_step_seconds,
    write_figures,
    write_table,
)
from microbleeds.compute import choose
from microbleeds.detect import DetectSettings, detect
from microbleeds.networks.detector import Detector, for_inference
from microbleeds.refine import refinement_logits
from microbleeds.report.run_record import peak_memory_mb
from microbleeds.training.dataset import cached_subjects, subject_names
from microbleeds.training.presets import PRESETS, find_preset
from pages import RESULTS_PAGE

RESULT = HERE / "results" / "ablation" / "preset-cost.json"
SUBJECTS = 4
MEASURED = 8  # steps; with wide crops, of both kinds
LOOKED_AT = 60  # candidates of a scan

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)


@app.command()
def measure(
    data: Annotated[Path, typer.Option(help="Data set whose first scans are learned from and searched.")],
    cache: Annotated[Path, typer.Option(help="Folder of prepared scans.")],
    result: Annotated[Path, typer.Option(help="File of the figures.")] = RESULT,
) -> None:
    """Measure each preset in a fresh process."""
    figures = {}
    for name in PRESETS:
        cached_subjects(data, subject_names(data)[:SUBJECTS], cache / name, find_preset(name).preparation)
        figures[name] = in_fresh_process(f"preset {name}", __file__, ("one", name, str(data), str(cache)))
    write_figures(result, "presets", figures)


@app.command(hidden=True)
def one(name: str, data: Path, cache: Path) -> None:
    """Measure one preset in this process and print the figures as JSON."""
    preset, compute = find_preset(name), choose("cpu", threads=1)
    subjects = cached_subjects(data, subject_names(data)[:SUBJECTS], cache / name, preset.preparation)
    step, share = detector_step_seconds(preset, subjects, MEASURED)
    # Untrained weights believe in much; a floor that nothing passes leaves out what only they would cost.
    settings = DetectSettings(floor=1.0, measure_diameters=False, window=preset.search_window)
    model, prepared = Detector(preset.architecture).eval(), subjects[0].prepared()
    begin = time.perf_counter()
    detect(prepared, model, settings, compute)
    searched = time.perf_counter() - begin
    second = {}
    if model.refinement is not None:
        spots = subjects[0].anywhere[:: len(subjects[0].anywhere) // LOOKED_AT][:LOOKED_AT]
        fast, image = for_inference(model, compute.device, compute.dtype), prepared.masked()
        begin = time.perf_counter()
        refinement_logits(image, spots, fast, compute)
        second["second_search_s"] = round(time.perf_counter() - begin, 1)
        second["second_step_s"] = round(refinement_step_seconds(preset, subjects, MEASURED), 3)
    figures = {
        "step_s": round(step, 3),
        "share_of_data": round(share, 3),
        "search_s": round(searched, 1),
        **second,
        "voxels_searched": prepared.brain.size,
        "peak_memory_mb": round(peak_memory_mb() or 0),
        "parameters": sum(p.numel() for p in model.parameters()),
        "compute": compute.describe(),
    }
    print(json.dumps(figures))


@app.command()
def table(
    result: Annotated[Path, typer.Option(help="File of the figures.")] = RESULT,
    page: Annotated[Path, typer.Option(help="Page that holds the table.")] = RESULTS_PAGE,
) -> None:
    """Make the table from the stored figures."""
    content = json.loads(result.read_text(encoding="utf-8"))
    lines = [
        "| preset | parameters | training step | making crops | step of the second stage | searching a head |"
        " second stage | peak memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in content["presets"].items():
        cells = (
            f"`{name}`",
            f"{row['parameters'] / 1e6:.2f} M",
            f"{row['step_s']:.2f} s ({1 / row['step_s']:.2f} a second)",
            f"{100 * row['share_of_data']:.1f} %",
            f"{row['second_step_s']:.2f} s" if "second_step_s" in row else "",
            f"{row['search_s']:.0f} s of {row['voxels_searched'] / 1e6:.1f} M voxels",
            f"{row['second_search_s']:.1f} s" if "second_search_s" in row else "",
            f"{row['peak_memory_mb'] / 1000:.1f} GB",
        )
        lines.append(f"| {' | '.join(cells)} |")
    write_table("preset-cost", lines, content, page)


if __name__ == "__main__":
    app()
