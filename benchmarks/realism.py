"""Holds the simulator against the literature: writes the table and pictures of docs/simulator.md.

    python benchmarks/realism.py                         on the MNI152 head that pip brings
    python benchmarks/realism.py --anatomy FOLDER        on label maps, too

Two minutes on two cores. The rows say what was measured and on what; the literature's values are quoted from the
papers named, measured on people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict

from cohort import commit
from microbleeds.diameter import apparent_diameter_mm
from microbleeds.geometry import Grid
from microbleeds.simulate.acquisition import acquire
from microbleeds.simulate.default_anatomy import default_anatomy
from microbleeds.simulate.fine_signal import FineSignal, refined, render
from microbleeds.simulate.head import draw_head
from microbleeds.simulate.inclusions import Inclusion, insert
from microbleeds.simulate.label_maps import label_map_paths, load_label_map
from microbleeds.simulate.protocol import DEFAULT_PROTOCOL, PROTOCOLS, Protocol, clean, draw_settings
from microbleeds.simulate.subject import BodySettings, draw_bodies, scan_bodies
from microbleeds.simulate.vendor import vendor_images
from microbleeds.simulate.vessels import SINUS_KINDS, is_venous
from microbleeds.simulate.weighting import homodyne_phase
from microbleeds.tissues import PARENCHYMA, Tissue, among
from pages import write_part

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "simulator.md"
DEVICE = torch.device("cpu")
PAPER = PROTOCOLS[DEFAULT_PROTOCOL]


@dataclass(frozen=True)
class Row:
    """One check."""

    check: str
    simulated: str
    literature: str


def block(protocol: Protocol, snr: float = 1e6) -> FineSignal:
    """A block of white matter, 32 x 32 x 48 mm, without background field."""
    shape = [round(size / d) for size, d in zip((32, 32, 48), protocol.spacing_mm, strict=True)]
    protocol = replace(protocol, matrix=(shape[0], shape[1], shape[2]))
    grid = Grid(protocol.matrix, np.diag([*protocol.spacing_mm, 1.0]))
    settings = replace(clean(draw_settings(protocol, np.random.default_rng(0))), snr=snr, mask_kind="linear")
    fine = refined(grid, protocol.oversampling)
    signal = torch.ones(fine.shape, dtype=torch.complex64)
    flow = torch.zeros(protocol.matrix)
    return FineSignal(None, protocol, settings, signal, fine, grid, flow, (0, 0, 1.0), 1.0)  # type: ignore[arg-type]


def sphere(position_mm: NDArray, radius_mm: float = 0.85, ppm: float = 1.0) -> Inclusion:
    """A microbleed of one grain."""
    return Inclusion("microbleed", "microbleed", np.asarray(position_mm)[None], np.array([radius_mm]), ppm, 0.2)


def image_of(scene: FineSignal, *bodies: Inclusion, seed: int = 0) -> torch.Tensor:
    """The complex image of a block with bodies."""
    signal = scene.signal.clone()
    for body in bodies:
        insert(signal, scene.fine_grid, body, scene.protocol, scene.b0)
    return acquire(scene, signal, seed)


def apparent_mm(protocol: Protocol) -> float:
    """Width of the median microbleed on the SWI."""
    scene = block(protocol)
    images = vendor_images(
        image_of(scene, sphere(scene.image_grid.centre_mm)), protocol.spacing_mm[2], scene.settings
    )
    centre = (np.asarray(images.swi.shape) - 1) / 2
    width = apparent_diameter_mm(images.swi, centre, protocol.spacing_mm)
    return float("nan") if width is None else width


def blooming_rows() -> list[Row]:
    """How the apparent size depends on the echo time and the field."""
    at_3t = [apparent_mm(replace(PAPER, echo_time_ms=te)) for te in (10, 20, 30, 40)]
    at_15 = [apparent_mm(replace(PAPER, echo_time_ms=te, field_strength_t=1.5)) for te in (10, 20, 30, 40)]
    ratios = []
    rng = np.random.default_rng(0)
    for _ in range(12):
        radius, ppm = float(np.exp(rng.normal(np.log(1.0), 0.3))), float(np.exp(rng.normal(0, 0.4)))
        volumes = []
        for te in (20.0, 40.0):
            scene = block(replace(PAPER, echo_time_ms=te))
            magnitude = image_of(scene, sphere(scene.image_grid.centre_mm, radius, ppm)).abs()
            volumes.append(float((magnitude < 0.7 * magnitude.median()).sum()))
        ratios.append(volumes[1] / max(volumes[0], 1))
    text = "/".join(f"{d:.1f}" for d in at_3t)
    return [
        Row("width of a bleed of 0.85 mm radius, 1 ppm, 3 T, TE 10/20/30/40 ms (mm)", text, "grows with TE"),
        Row("the same at 1.5 T (mm)", "/".join(f"{d:.1f}" for d in at_15), "smaller at lower field"),
        Row(
            "volume at TE 40 over TE 20 ms, magnitude, 12 bleeds",
            f"{np.mean(ratios):.2f} +- {np.std(ratios):.2f}",
            "2.30 +- 1.20 (Liu 2012)",
        ),
    ]


def field_row() -> Row:
    """Contrast to noise at 3 T against 1.5 T, 2D gradient echo."""
    rng = np.random.default_rng(1)
    gre = PROTOCOLS["1.5t-gre-0.9x0.9x5"]
    bodies = [
        (float(np.exp(rng.normal(np.log(0.85), 0.42))), float(np.exp(rng.normal(0, 0.6)))) for _ in range(40)
    ]
    contrast = []
    for field, te, snr in ((3.0, 16.0, 45.0), (1.5, 23.0, 30.0)):
        values = []
        for radius, ppm in bodies:
            scene = block(replace(gre, field_strength_t=field, echo_time_ms=te))
            drop = 1 - image_of(scene, sphere(scene.image_grid.centre_mm, radius, ppm)).abs().min()
            values.append(float(drop) * snr)
        contrast.append(np.asarray(values))
    lost = [100 * float((c < 5).mean()) for c in contrast]
    return Row(
        "contrast to noise 3 T (TE 16, SNR 45 assumed) / 1.5 T (TE 23, SNR 30 assumed), 2D GRE; below 5",
        f"{contrast[0].mean():.1f} / {contrast[1].mean():.1f} = {contrast[0].mean() / contrast[1].mean():.2f}; "
        f"{lost[0]:.0f} % / {lost[1]:.0f} %",
        "27.4 / 17.4 = 1.57; 23 % lost at 1.5 T (Stehling 2008)",
    )


def twin_rows(pairs: int = 120) -> list[Row]:
    """Can a classifier tell twins that differ in their sign alone? On magnitude it must not."""
    rng = np.random.default_rng(2)
    crops: dict[str, list[NDArray]] = {"magnitude": [], "SWI": [], "phase": []}
    labels, groups = [], []
    scene = block(PAPER, snr=25.0)
    for pair in range(pairs):
        radius, ppm = float(np.exp(rng.normal(np.log(1.0), 0.35))), float(np.exp(rng.normal(0, 0.5)))
        position = scene.image_grid.centre_mm + rng.uniform(-0.5, 0.5, 3) * scene.image_grid.spacing_mm
        for sign in (1, -1):
            # Each twin has noise of its own: the same noise would give the pair away.
            image = image_of(scene, sphere(position, radius, sign * ppm), seed=int(rng.integers(2**31)))
            images = vendor_images(image, 2.0, scene.settings)
            phase = homodyne_phase(image, 12.0).numpy()
            box = tuple(slice(n // 2 - h, n // 2 + h) for n, h in zip(image.shape, (4, 4, 3), strict=True))
            for name, volume in (("magnitude", images.magnitude), ("SWI", images.swi), ("phase", phase)):
                crops[name].append(np.asarray(volume[box], dtype=np.float32).ravel())
            labels.append(sign)
            groups.append(pair)
    rows = []
    expected = {
        "magnitude": "0.5: the magnitude does not know the sign",
        "SWI": "its mask does",
        "phase": "it does",
    }
    for name, features in crops.items():
        rows.append(
            Row(
                f"sign-flipped twins, AUC of a random forest on the {name}",
                f"{_auc(features, labels, groups):.2f}",
                expected[name],
            )
        )
    return rows


def _auc(features: Sequence[NDArray], labels: Sequence[int], groups: Sequence[int]) -> float:
    """Twins of one pair are never split between training and test."""
    forest = RandomForestClassifier(200, random_state=0)
    scores = cross_val_predict(
        forest, np.stack(features), np.asarray(labels), groups=groups, cv=GroupKFold(6), method="predict_proba"
    )[:, 1]
    positive, negative = scores[np.asarray(labels) == 1], scores[np.asarray(labels) == -1]
    return float(np.mean((positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)))


def head_rows(anatomies: Sequence[Path]) -> tuple[list[Row], Image.Image]:
    """Veins, nuclei and dark spots of whole heads, and a picture."""
    sources = [None, *anatomies[:2]]
    veins, dark, noise = [], [], []
    nuclei: dict[str, list[float]] = {"PALLIDUM": [], "RED_NUCLEUS": [], "WHITE": []}
    strips = []
    for number, source in enumerate(sources):
        anatomy = default_anatomy() if source is None else load_label_map(source)
        head = draw_head(anatomy, np.random.SeedSequence([9, number]), DEVICE)
        settings = replace(
            clean(draw_settings(PAPER, np.random.default_rng(number))), mask_kind="linear", mask_power=4
        )
        fine = render(head, PAPER, settings, np.random.SeedSequence([10, number]), DEVICE)
        bodies = draw_bodies(head, BodySettings("natural", "rich"), np.random.SeedSequence([11, number]))
        scan = scan_bodies(fine, bodies, "natural", number)
        phase = homodyne_phase(acquire(fine, fine.signal, number), 64 * 192 / 224).numpy()
        veins.append(100 * _venous_share(head))
        labels = _labels_on(head.anatomy.labels, head.anatomy.grid, scan.grid)
        for name, values in nuclei.items():
            inside = among(labels, Tissue[f"{name}_LEFT"], Tissue[f"{name}_RIGHT"])
            values.append(float(np.median(phase[inside])))
        white = ndimage.binary_erosion(among(labels, Tissue.WHITE_LEFT, Tissue.WHITE_RIGHT), iterations=2)
        noise.append(float(np.std(phase[white & (np.abs(phase) < 1)])))
        dark.append(_dark_spots(scan.images.swi, among(labels, *PARENCHYMA)))
        strips.append(
            _strip(scan.images.swi, scan.images.magnitude, phase, scan.images.minimum_projection, scan.brain)
        )
    spread = f"{len(sources)} heads"
    rows = [
        Row(
            f"veins without sinuses, share of the intracranial volume, {spread} (%)",
            _range(veins, 2),
            "0.2 to 0.8",
        ),
        Row(
            "high-pass phase of the pallidum (rad)", _range(nuclei["PALLIDUM"], 2), "positive, about 0.05 to 0.15"
        ),
        Row("high-pass phase of the red nucleus (rad)", _range(nuclei["RED_NUCLEUS"], 2), "positive, 0.1 to 0.3"),
        Row("high-pass phase of white matter (rad)", _range(nuclei["WHITE"], 3), "about 0, slightly negative"),
        Row("phase standard deviation in white matter (rad)", _range(noise, 2), "0.05 to 0.12 at SNR 15 to 35"),
        Row("dark spots of 0.75 to 60 mm2 per slice", _range(dark, 0), "no published number found"),
    ]
    return rows, Image.fromarray(np.vstack(strips))


def _venous_share(head: object) -> float:
    """Volume of the veins' tubes over the intracranial volume."""
    veins = [v for v in head.vessels if is_venous(v.kind) and v.kind not in SINUS_KINDS]  # type: ignore[attr-defined]
    labels = head.anatomy.labels  # type: ignore[attr-defined]
    inside = (labels >= Tissue.CSF).sum()
    return float(sum(v.volume_mm3 for v in veins) / inside)


def _labels_on(labels: NDArray, source: Grid, target: Grid) -> NDArray[np.uint8]:
    step = np.linalg.inv(source.affine) @ target.affine
    return ndimage.affine_transform(labels, step[:3, :3], step[:3, 3], output_shape=target.shape, order=0)


def _dark_spots(swi: NDArray, brain: NDArray) -> float:
    """Connected dark spots per slice of brain, in the plane."""
    level = np.median(swi[brain])
    counts = []
    for z in range(swi.shape[2]):
        if brain[:, :, z].sum() < 5000:
            continue
        spots, n = ndimage.label(
            (swi[:, :, z] < 0.65 * level) & ndimage.binary_erosion(brain[:, :, z], iterations=6)
        )
        area = ndimage.sum_labels(np.ones_like(spots), spots, np.arange(1, n + 1)) * 0.25
        counts.append(int(((area >= 0.75) & (area <= 60)).sum()))
    return float(np.mean(counts))


def _strip(swi: NDArray, magnitude: NDArray, phase: NDArray, mip: NDArray, brain: NDArray) -> NDArray[np.uint8]:
    """Magnitude, phase, SWI and mIP of the slice of the basal ganglia."""
    level = np.median(swi[brain])
    z = int(np.flatnonzero(brain.any((0, 1))).mean())
    x, y = (np.flatnonzero(brain.any(axis)) for axis in ((1, 2), (0, 2)))
    box = (slice(max(x.min() - 12, 0), x.max() + 12), slice(max(y.min() - 12, 0), y.max() + 12), z)
    tiles = [
        magnitude[box] / (1.7 * level),
        (phase[box] + 0.5) / 1.0,
        swi[box] / (1.7 * level),
        mip[box] / (1.5 * level),
    ]
    gray = [np.flipud(np.clip(t, 0, 1).T * 255).astype(np.uint8) for t in tiles]
    canvas = np.zeros((400, 4 * 320), dtype=np.uint8)
    for n, tile in enumerate(gray):
        h, w = min(400, tile.shape[0]), min(320, tile.shape[1])
        canvas[(400 - h) // 2 : (400 - h) // 2 + h, n * 320 + (320 - w) // 2 : n * 320 + (320 - w) // 2 + w] = (
            tile[:h, :w]
        )
    return canvas


def _range(values: Sequence[float], digits: int) -> str:
    low, high = min(values), max(values)
    return (
        f"{low:.{digits}f}"
        if f"{low:.{digits}f}" == f"{high:.{digits}f}"
        else f"{low:.{digits}f} to {high:.{digits}f}"
    )


def main(
    anatomy: Annotated[
        Path | None, typer.Option(help="Folder of label maps, two of which are measured too.")
    ] = None,
) -> None:
    """Measure, and write the table and the picture into docs/simulator.md."""
    rows = [*blooming_rows(), field_row(), *twin_rows()]
    more, picture = head_rows([] if anatomy is None else label_map_paths(anatomy))
    rows += more
    table = ["| check | simulated | people or theory |", "|---|---|---|"]
    table += [f"| {row.check} | {row.simulated} | {row.literature} |" for row in rows]
    given = "" if anatomy is None else " --anatomy FOLDER"
    note = f"Made by `python benchmarks/realism.py{given}` on {date.today().isoformat()}, commit {commit()}."
    write_part("table", [note, "", *table], PAGE)
    images = ROOT / "docs" / "images"
    images.mkdir(exist_ok=True)
    picture.save(images / "simulated-heads.jpg", quality=80)
    print("\n".join(table))


if __name__ == "__main__":
    typer.run(main)
