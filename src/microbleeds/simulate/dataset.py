"""Writes simulated scans as a BIDS-style data set (layout in ``docs/architecture.md``)."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from microbleeds import __version__
from microbleeds.atomic import atomic_file
from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.regions import REGIONS, Region
from microbleeds.simulate.subject import SimulatedScan

NOTICE = "Simulated by the physics of MR imaging; no person and no real microbleed stands behind it."
TRUTH = Path("derivatives") / "truth"


def begin_data_set(out: Path, options: dict[str, object], *, resume: bool) -> None:
    """Begin a data set in a new or empty folder, or go on with the same one.

    Args:
        out: the folder.
        options: all that decides what is simulated; they stand in its description.
        resume: whether one that was begun with the same options, by the same version, is gone on with.

    Raises:
        InputError: if ``out`` holds something else.
    """
    if resume and _begun(out, options):
        for left in out.glob(".partial-*"):  # a kill leaves what was being written
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"The output folder {out} is not empty; choose another.")
    out.mkdir(parents=True, exist_ok=True)
    write_description(out, options)


def _begun(out: Path, options: dict[str, object]) -> bool:
    """Whether the same data set was begun in a folder.

    Raises:
        InputError: if another one was.
    """
    path = out / "dataset_description.json"
    if not path.exists():
        return False
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        begun, version = description["SimulationOptions"], description["GeneratedBy"][0]["Version"]
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path} can't be read; choose another folder.") from error
    if version != __version__:
        raise InputError(
            f"The folder {out} was begun by version {version}, whose scans may differ from those of this one "
            f"({__version__}); choose another."
        )
    if begun != json.loads(json.dumps(options)):
        raise InputError(f"The folder {out} was begun with other settings or another seed; choose another.")
    return True


def write_description(out: Path, options: dict[str, object]) -> None:
    """Write the data set's descriptions and its README."""
    base = {
        "BIDSVersion": "1.10.0",
        "GeneratedBy": [{"Name": "microbleeds simulate", "Version": __version__}],
    }
    write_json(
        out / "dataset_description.json",
        {
            "Name": "Simulated SWI with microbleeds",
            "DatasetType": "raw",
            **base,
            "SimulationOptions": options,
        },
    )
    write_json(
        out / TRUTH / "dataset_description.json",
        {"Name": "Truth of simulated SWI", "DatasetType": "derivative", **base},
    )
    write_text(out / "README", f"{NOTICE}\n")
    # These suffixes come with BIDS' proposal 004 (susceptibility-weighted imaging), unknown to validators yet.
    write_text(out / ".bidsignore", "*_swi.*\n*_GRE.*\n*_minIP.*\n")


def write_scan(out: Path, subject: str, scan: SimulatedScan) -> None:
    """Write the images, sidecars and truth of one subject, for instance ``sub-001``."""
    anat, truth = out / subject / "anat", out / TRUTH / subject / "anat"
    sidecar = _sidecar(scan)
    images: dict[Path, NDArray] = {
        anat / f"{subject}_swi": scan.images.swi,
        anat / f"{subject}_part-mag_GRE": scan.images.magnitude,
        anat / f"{subject}_part-phase_GRE": scan.images.phase,
        anat / f"{subject}_minIP": scan.images.minimum_projection,
        truth / f"{subject}_desc-brain_mask": scan.brain.astype(np.uint8),
        truth / f"{subject}_dseg": scan.regions,
    }
    with ThreadPoolExecutor() as pool:  # compression takes seconds and lets other threads run
        list(
            pool.map(
                lambda path: write_nifti(path.parent / f"{path.name}.nii.gz", images[path], scan.grid), images
            )
        )
    for name in ("swi", "part-mag_GRE", "part-phase_GRE", "minIP"):
        write_json(anat / f"{subject}_{name}.json", sidecar)
    write_table(
        truth / f"{subject}_dseg.tsv",
        ["index", "name"],
        ([r.code, f"{r.side}_{r.name}" if r.side != "none" else r.name] for r in REGIONS.values()),
    )
    _write_microbleeds(truth / f"{subject}_microbleeds.tsv", scan)
    _write_mimics(truth / f"{subject}_mimics.tsv", scan)
    write_json(
        truth / f"{subject}_simulation.json",
        {
            "protocol": asdict(scan.protocol),
            "settings": asdict(scan.settings),
            "anatomy": scan.head.anatomy.name,
            "profile": scan.profile,
            "venous_ppm": round(scan.head.tissues.venous_ppm, 4),
        },
    )


def participant_row(subject: str, scan: SimulatedScan, head: int) -> dict[str, object]:
    """One row of participants.tsv."""
    return {
        "participant_id": subject,
        "head": head,
        "anatomy": scan.head.anatomy.name,
        "protocol": scan.protocol.name,
        "vendor": scan.settings.vendor,
        "profile": scan.profile,
        "microbleeds": len(scan.microbleeds),
        "visible": sum(look.visible for _, look in scan.microbleeds),
        "phase_unit": scan.settings.phase_unit,
        "phase_filtered": int(scan.settings.phase_filtered),
        "phase_sign": "paramagnetic-bright" if scan.settings.paramagnetic_bright else "paramagnetic-dark",
        "motion": len(scan.settings.motion),
    }


def write_participants(out: Path, rows: Sequence[dict[str, object]]) -> None:
    """Write participants.tsv, by the names of the subjects."""
    ordered = sorted(rows, key=lambda row: str(row["participant_id"]))
    write_table(out / "participants.tsv", list(ordered[0]), (list(row.values()) for row in ordered))


def read_participants(out: Path) -> list[dict[str, object]]:
    """Read the rows that :func:`write_participants` wrote, none where it wrote nothing yet."""
    path = out / "participants.tsv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [dict(row) for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def _sidecar(scan: SimulatedScan) -> dict[str, object]:
    p, s = scan.protocol, scan.settings
    return {
        "Manufacturer": s.vendor,
        "MagneticFieldStrength": p.field_strength_t,
        "EchoTime": p.echo_time_ms / 1000,
        "RepetitionTime": round(s.repetition_time_ms / 1000, 6),
        "FlipAngle": round(s.flip_angle_deg, 2),
        "MRAcquisitionType": "2D" if p.two_dimensional else "3D",
        "SliceThickness": p.spacing_mm[2] - p.slice_gap_mm,
        "SpacingBetweenSlices": p.spacing_mm[2],
        "ProtocolName": p.name,
        "Comment": NOTICE,
    }


def _write_microbleeds(path: Path, scan: SimulatedScan) -> None:
    header = [
        "id",
        "x_mm",
        "y_mm",
        "z_mm",
        "diameter_mm",
        "radius_mm",
        "susceptibility_ppm",
        "moment_ppm_mm3",
        "cnr",
        "clutter_contrast",
        "visible",
        "group",
        "region",
        "side",
    ]
    rows = []
    for number, (body, look) in enumerate(scan.microbleeds, 1):
        region = _region_at(scan, body.position_mm)
        rows.append(
            [
                number,
                *_mm(body.position_mm),
                "n/a" if look.diameter_mm is None else f"{look.diameter_mm:.2f}",
                f"{body.equivalent_radius_mm:.3f}",
                f"{body.susceptibility_ppm:.3f}",
                f"{body.moment_ppm_mm3:.3f}",
                f"{look.cnr:.2f}",
                f"{look.clutter_contrast:.2f}",
                int(look.visible),
                region.group,
                region.name,
                region.side,
            ]
        )
    write_table(path, header, rows)


def _write_mimics(path: Path, scan: SimulatedScan) -> None:
    rows: list[list[object]] = [
        [
            n,
            b.kind,
            *_mm(b.position_mm),
            f"{b.equivalent_radius_mm:.3f}",
            f"{b.susceptibility_ppm:.3f}",
            b.scored,
        ]
        for n, b in enumerate(scan.mimics, 1)
    ]
    for place in scan.singularities_mm:
        rows.append([len(rows) + 1, "phase-singularity", *_mm(place), "n/a", "n/a", "mimic"])
    write_table(path, ["id", "kind", "x_mm", "y_mm", "z_mm", "radius_mm", "susceptibility_ppm", "scored"], rows)


def _region_at(scan: SimulatedScan, position_mm: NDArray) -> Region:
    """The region on the 1 mm anatomy: on the image grid a thick slice may round to the neighbour."""
    anatomy = scan.head.anatomy
    voxel = np.round(anatomy.grid.to_ijk(position_mm)).astype(int)
    return REGIONS[int(anatomy.regions[tuple(voxel)])]


def _mm(position: NDArray) -> list[str]:
    return [f"{x:.3f}" for x in position]


def write_nifti(path: Path, array: NDArray, grid: Grid) -> None:
    """Write a NIfTI image with both its qform and sform set to scanner coordinates."""
    image = nib.Nifti1Image(array, grid.affine)
    image.set_sform(grid.affine, code=1)
    image.set_qform(grid.affine, code=1)
    image.header.set_xyzt_units("mm", "sec")
    with atomic_file(path) as temporary:
        nib.save(image, temporary)


def write_json(path: Path, content: dict[str, object]) -> None:
    """Write indented JSON."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a tab-separated table."""
    lines = ["\t".join(header), *("\t".join(str(cell) for cell in row) for row in rows)]
    write_text(path, "\n".join(lines) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
