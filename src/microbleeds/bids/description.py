"""What a derivative data set says about itself: its description, what validators should skip, how to cite it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from microbleeds import __version__
from microbleeds.atomic import atomic_file
from microbleeds.bids.dictionaries import generated_by, write_json
from microbleeds.bids.layout import Layout
from microbleeds.errors import InputError
from microbleeds.report.record import RESEARCH_USE, Record
from microbleeds.report.run_record import package_versions

BIDS_VERSION = "1.10.0"
_DESCRIPTION = "dataset_description.json"
#: What BIDS has no name for (yet): pages, logs, tables of findings.
IGNORED = (
    "*.html",
    "logs",
    "results",
    "figures",
    "group_microbleeds.*",
    "*_findings.tsv",
    "*_findings.json",
    "*_lesions.tsv",
    "*_lesions.json",
    "*_record.json",
    "*_comparison.json",
)


def refuse_foreign(out: Path, raw: Path) -> None:
    """Refuse an output folder that is the data set itself, or another program's.

    Raises:
        InputError: if it is.
    """
    if out.resolve() == raw.resolve():
        raise InputError(
            f"The output folder is the data set itself ({out}); choose another, such as derivatives/microbleeds."
        )
    path = out / _DESCRIPTION
    if not path.exists():
        return
    names = [str(one.get("Name")) for one in _read(path).get("GeneratedBy", []) if isinstance(one, dict)]
    if not any(name == "microbleeds" for name in names):
        raise InputError(f"The folder {out} is another data set ({', '.join(names) or 'raw'}); choose another.")


def write_description(layout: Layout, raw: Path) -> None:
    """Write `dataset_description.json`, `README.md` and `.bidsignore`."""
    source = _read(raw / _DESCRIPTION)
    title = str(source.get("Name") or raw.resolve().name)
    origin: dict[str, Any] = {"URL": raw.resolve().as_uri()}
    if isinstance(source.get("DatasetDOI"), str):
        origin["DOI"] = source["DatasetDOI"]
    write_json(
        {
            "Name": f"Cerebral microbleeds of: {title}",
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": "derivative",
            "GeneratedBy": generated_by(),
            "SourceDatasets": [origin],
            "DatasetLinks": {"raw": raw.resolve().as_uri()},
            "HowToAcknowledge": "See logs/CITATION.md.",
        },
        layout.root / _DESCRIPTION,
    )
    _write_text(layout.root / ".bidsignore", "\n".join(IGNORED) + "\n")
    _write_text(layout.root / "README.md", _readme(title))


def write_citation(
    layout: Layout, records: Sequence[Record], compute: Mapping[str, Any], *, followed: bool
) -> None:
    """Write `logs/CITATION.md`: a paragraph for a paper, with versions and hashes of weights.

    Args:
        layout: of the output.
        records: of all scans with a result.
        compute: what the run settled (device, precision).
        followed: whether visits were compared.
    """
    _write_text(layout.logs / "CITATION.md", citation(records, compute, followed=followed))


def citation(records: Sequence[Record], compute: Mapping[str, Any], *, followed: bool) -> str:
    """Return the paragraph; see :func:`write_citation`."""
    kinds = Counter(
        ("made here" if record.scan.swi_made_here else record.scan.kind, record.scan.phase is not None)
        for record in records
    )
    words = {
        ("made here", True): "susceptibility-weighted images that it made from magnitude and phase",
        ("swi", True): "susceptibility-weighted images with phase",
        ("swi", False): "susceptibility-weighted images without phase",
        ("t2star", True): "T2*-weighted magnitudes with phase",
        ("t2star", False): "T2*-weighted magnitudes alone",
    }
    searched = ", ".join(f"{number} {words[kind]}" for kind, number in kinds.most_common()) or "no scan yet"
    models = {record.model.sha256: record.model for record in records}
    weights = (
        "; ".join(f"{model.name} (sha256 {digest})" for digest, model in sorted(models.items())) or "none yet"
    )
    at = "; ".join(sorted(_points(records)))
    versions = ", ".join(f"{name} {version}" for name, version in package_versions().items())
    compared = "Visits of one person were aligned rigidly and their findings matched one to one. "
    done = ", ".join(f"{name} {value}" for name, value in compute.items()) or "not recorded"
    return f"""# How this was made

> Cerebral microbleeds were searched with microbleeds {__version__} on {searched}. The detector is a 3D region
> proposal network to stride 4 on SWI and phase that follows Kim et al. (arXiv 2306.13020); weights: {weights};
> operating point: {at or "none yet"}. Candidates with hardly any parenchyma around them were removed.
> Regions come from an automatic segmentation and are counted by MARS (Gregoire 2009), BOMBS (Cordonnier 2009) and
> Kim et al. {compared if followed else ""}No reader has confirmed the findings.

{RESEARCH_USE}

- Training: {" ".join(sorted({model.training for model in models.values()})) or "none yet"}
- Computed on: {done}
- Packages: {versions}

## References

- Kim et al. Toward Automated Detection of Microbleeds with Anatomical Scale Localization. arXiv 2306.13020 (2023).
- Gregoire et al. The Microbleed Anatomical Rating Scale (MARS). Neurology 73 (2009) 1759-1766.
- Cordonnier et al. Improving interrater agreement about brain microbleeds (BOMBS). Stroke 40 (2009) 94-99.
- Gorgolewski et al. The brain imaging data structure. Scientific Data 3 (2016) 160044.
"""


def _readme(title: str) -> str:
    return f"""# Cerebral microbleeds of: {title}

{RESEARCH_USE} What the weights learned from stands in `logs/CITATION.md` and in each report.

- `sub-*.html`: one page a subject, with links to the report and the review page of every visit.
- `group_microbleeds.tsv` (columns explained in its `.json`) and `group_microbleeds.html`: all scans.
- `sub-*/**/anat/*_desc-microbleeds_dseg.nii.gz`: findings that count, numbered; `*_findings.tsv`: all of them.
- `sub-*/**/anat/*_seg-fine_dseg.nii.gz`: fine regions.
- `sub-*/sub-*_sessions.tsv`: what is new at each visit; `*_desc-since*_lesions.tsv`: place by place.
- `results/`: each result as `microbleeds detect` writes it, for `microbleeds finalize`, `compare` and others.
- `logs/CITATION.md`: a paragraph for papers; `logs/scans/`: what became of each scan.
"""


def _points(records: Sequence[Record]) -> set[str]:
    """Say at which operating points scans were searched, and of which scans where thresholds differ."""
    searched = {(record.model.operating_point, record.scan.phase is not None) for record in records}
    named = Counter(point.name for point in {point for point, _ in searched})
    return {
        f"'{point.name}' (score from {point.cut:.2f}"
        + (f" {'with' if with_phase else 'without'} phase)" if named[point.name] > 1 else ")")
        for point, with_phase in searched
    }


def _write_text(path: Path, text: str) -> None:
    with atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    """Return a data set's description; empty if it can't be read, which is a matter for a validator."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
