"""k-fold cross-validation: each subject is searched by weights that have not seen it.

``OUT`` holds ``folds.json`` (who is in which fold), ``cache/`` (prepared scans, shared), a run folder ``fold-N``
with ``out_of_fold.json`` for each fold, and, when all folds are there, ``summary.json`` and ``summary.tsv``. Each
fold holds out some of its own training subjects to choose its best step and thresholds; the fold's subjects have
no part in that.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

import microbleeds
from microbleeds.atomic import atomic_file
from microbleeds.compute import Precision, choose
from microbleeds.errors import InputError
from microbleeds.evaluate import Interval
from microbleeds.given import make_paths, paths_of, refuse_below
from microbleeds.networks.config import Variant
from microbleeds.study import SignChoice
from microbleeds.training.apart import refuse_overlap
from microbleeds.training.cache import Preparable, cached, scans_sha256
from microbleeds.training.collection import Collection, burdens, groups_of, hold_out
from microbleeds.training.finetune import FinetuneSettings, finetune_preset
from microbleeds.training.folds import assign_folds, claim_folds
from microbleeds.training.joined import open_joined
from microbleeds.training.out_of_fold import PooledScores, pooled, read_scans, search, write_scans
from microbleeds.training.plan import Mix, Plan, carry_out, opened_mix
from microbleeds.training.presets import Preset, find_preset
from microbleeds.training.run_note import noted
from microbleeds.training.start import Start, load_start
from microbleeds.training.trainer import RunSettings
from microbleeds.weights.store import load_detector

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CrossValidation:
    """What to cross-validate.

    Args:
        data: folder of labelled scans in any form of docs/your-data.md, or several.
        out: folder of the result; one that was broken off is continued.
        folds: number of folds.
        seed: of the folds and of everything random in the runs.
        finetune: fine-tune weights in each fold instead of training from scratch.
        weights: with ``finetune``, which; the shipped default if ``None``.
        how: with ``finetune``, how far to go.
        preset: without ``finetune``, the preset; ``variant`` its parts that are on, ``steps`` instead of its own.
        patience: without ``finetune``, end a run early after so many validations without a better one.
        mix: simulated heads to mix in.
        validation_subjects: scans of its own training subjects that a fold holds out, at most a fifth.
        phase_sign: how veins look in all phase files of ``data``.
        time_limit_minutes: of each fold's training.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``bfloat16`` or ``float32``.
        workers: threads that make batches ahead, and processes that prepare scans.
    """

    data: Path | Sequence[Path]
    out: Path
    folds: int = 5
    seed: int = 0
    finetune: bool = False
    weights: str | Path | None = None
    how: FinetuneSettings = field(default_factory=FinetuneSettings)
    preset: str = "default"
    variant: Variant | None = None
    steps: int | None = None
    patience: int = 0
    mix: Mix | None = None
    validation_subjects: int = 6
    phase_sign: SignChoice = "auto"
    time_limit_minutes: float | None = None
    device: str = "auto"
    precision: Precision = "auto"
    workers: int = 1

    def __post_init__(self) -> None:
        make_paths(self, "out")
        refuse_below(0, seed=self.seed, workers=self.workers, validation_subjects=self.validation_subjects)
        refuse_below(0, patience=self.patience)
        refuse_below(1, **({} if self.steps is None else {"steps": self.steps}))

    @property
    def cache(self) -> Path:
        """Prepared scans of all folds."""
        return self.out / "cache"

    def run_folder(self, fold: int) -> Path:
        """Run folder of a fold, 1 to ``folds``."""
        return self.out / f"fold-{fold}"


def cross_validate(request: CrossValidation, only: int | None = None) -> PooledScores | None:
    """Run the folds that are not done yet and pool what they find in subjects that they have not seen.

    Args:
        request: what to do.
        only: run this fold alone, 1 to ``folds``, as one task of several on a cluster.

    Returns:
        The pooled scores, or ``None`` while folds are missing.

    Raises:
        InputError: if the data can't be used, folders hold one another, subjects are fewer than folds, or ``out``
            holds something else.
    """
    if only is not None and not 1 <= only <= request.folds:
        raise InputError(f"There is no fold {only}; the folds are 1 to {request.folds}.")
    mixed = request.mix.folder if request.mix else None
    refuse_overlap(request.out, request.cache, paths_of(request.data), simulated=mixed)
    start = load_start(request.weights) if request.finetune else None
    preset = _preset(request, start)
    collection = open_joined(request.data, request.cache / "converted", request.phase_sign)
    groups = groups_of(collection.scans)
    folds = assign_folds(burdens(groups), request.folds, request.seed)
    claim_folds(request.out / "folds.json", folds, _asked(request, collection, preset, start))
    for fold in range(1, request.folds + 1) if only is None else (only,):
        _run_fold(request, fold, collection, folds, preset, start)
    files = [request.run_folder(fold) / "out_of_fold.json" for fold in range(1, request.folds + 1)]
    if not all(file.exists() for file in files):
        return None
    return _summarise(request, collection, files)


def _preset(request: CrossValidation, start: Start | None) -> Preset:
    """What each fold does."""
    if start is not None:
        return finetune_preset(start.card, request.how)
    chosen = find_preset(request.preset)
    variant = request.variant
    architecture = chosen.architecture if variant is None else chosen.architecture.variant(variant)
    return replace(chosen.of_length(request.steps), architecture=architecture, patience=request.patience)


def _asked(
    request: CrossValidation, collection: Collection, preset: Preset, start: Start | None
) -> dict[str, object]:
    """What decides the result."""
    mixed = opened_mix(request.mix, request.cache)
    sets = [collection.scans, () if mixed is None else mixed.scans]
    return {
        "data": collection.name,
        "scans": len(collection.scans),
        "microbleeds": sum(scan.bleeds() for scan in collection.scans),
        "scans_sha256": scans_sha256(sets),
        "folds": request.folds,
        "seed": request.seed,
        "phase_sign": request.phase_sign,
        **noted(preset),
        "validation_subjects": request.validation_subjects,
        "time_limit_minutes": request.time_limit_minutes,
        "started_from": None if start is None else start.card.sha256,
        "simulated": None if request.mix is None else [request.mix.folder.name, request.mix.share],
    }


def _run_fold(
    request: CrossValidation,
    fold: int,
    collection: Collection,
    folds: Mapping[str, int],
    preset: Preset,
    start: Start | None,
) -> None:
    """Train on the other folds and search this one; a fold that is done is left alone."""
    out = request.run_folder(fold)
    if (out / "out_of_fold.json").exists():
        return
    log.info("Fold %d of %d", fold, request.folds)
    others = [scan for scan in collection.scans if folds[scan.group] != fold]
    train_on, validate_on = hold_out(others, request.validation_subjects, by_burden=True)
    settings = RunSettings(
        out=out,
        data=f"{collection.name} without fold {fold} of {request.folds}",
        simulated=collection.simulated and (start is None or start.card.training.simulated),
        seed=request.seed,
        time_limit_minutes=request.time_limit_minutes,
        device=request.device,
        precision=request.precision,
        workers=request.workers,
    )
    sets = [validate_on] if validate_on else []
    sign = request.phase_sign
    card = carry_out(
        Plan(preset, settings, train_on, sets, request.cache, request.mix, start, sign, one_folder=True)
    )
    unseen = [scan for scan in collection.scans if folds[scan.group] == fold]
    _search_fold(request, fold, unseen, preset, card.sha256)


def _search_fold(
    request: CrossValidation, fold: int, unseen: Sequence[Preparable], preset: Preset, sha256: str
) -> None:
    """Search the scans of a fold with the weights of the others and keep what was found."""
    out = request.run_folder(fold)
    subjects = cached(unseen, request.cache / "scans", preset.preparation, request.workers)
    detector = load_detector(out / "weights.safetensors", expect=preset.preparation)
    compute = choose(request.device, request.precision)
    scans = search(subjects, [scan.group for scan in unseen], fold, detector, compute)
    write_scans(out / "out_of_fold.json", scans, sha256)


def _summarise(request: CrossValidation, collection: Collection, files: Sequence[Path]) -> PooledScores:
    """Pool all folds and write the summary and its table."""
    by_fold = [read_scans(file) for file in files]
    scores = pooled([scan for scans in by_fold for scan in scans])
    # A fold has too few subjects for an interval.
    rows = [pooled(scans, repeats=0) for scans in by_fold]
    content = {
        "notice": "Each scan was searched by weights that had not seen its subject. Intervals: 95 %, bootstrap"
        " over subjects; they do not hold what another choice of folds or another seed would change.",
        "data": collection.name,
        "simulated": collection.simulated,
        "folds": request.folds,
        "seed": request.seed,
        "package_version": microbleeds.__version__,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "weights_sha256": [json.loads(file.read_text(encoding="utf-8"))["weights_sha256"] for file in files],
        "pooled": scores.to_dict(),
        "by_fold": [{k: v for k, v in asdict(row).items() if k != "curve"} for row in rows],
    }
    with atomic_file(request.out / "summary.json") as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    with atomic_file(request.out / "summary.tsv") as partial:
        names = [str(n) for n in range(1, len(rows) + 1)] + ["all"]
        lines = ["\t".join(line) for line in table(names, [*rows, scores])]
        partial.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return scores


def table(names: Sequence[str], rows: Sequence[PooledScores]) -> list[list[str]]:
    """The figures of each fold and of all together, the first row their names."""
    head = ["fold", "subjects", "scans", "microbleeds"]
    head += [f"sensitivity_at_{x}_fp" for x in rows[0].sensitivity_at] + ["mean_sensitivity"]
    head += [f"{point}_{name}" for point, figures in rows[0].operating.items() for name in figures]
    lines = [head]
    for name, row in zip(names, rows, strict=True):
        figures = [*row.sensitivity_at.values(), row.mean_sensitivity]
        figures += [value for point in row.operating.values() for value in point.values()]
        lines.append([name, str(row.subjects), str(row.scans), str(row.microbleeds), *map(_text, figures)])
    return lines


def _text(interval: Interval) -> str:
    return "n/a" if interval.value is None else f"{interval.value:.4f}"
