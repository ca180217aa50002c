"""Which sidecars speak of an image: the one beside it and, in a BIDS data set, those that it inherits from.

By BIDS's inheritance principle a JSON file in the image's folder or in one above it, up to that of the data set,
speaks of every image of the same suffix (``swi``, ``GRE`` ...) whose name has all of the file's entities:
``/swi.json`` of all SWI, ``/acq-epi_part-phase_GRE.json`` of the phase of one acquisition. The nearer file counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from glob import escape
from pathlib import Path

_DATA_SET = "dataset_description.json"


def sidecar_path(image: Path) -> Path:
    """Return where the sidecar of a NIfTI image would lie."""
    name = image.name.removesuffix(".gz")
    return image.with_name(name.removesuffix(Path(name).suffix) + ".json")


def sidecars(image: Path) -> tuple[Path, ...]:
    """Return the sidecars that there are of a NIfTI image, the one that outranks all others last."""
    own = sidecar_path(Path(image))
    found = list(_inherited(own))
    return tuple([*found, own] if own.is_file() and own != image else found)


def _inherited(own: Path) -> Iterator[Path]:
    """Yield what speaks of the image beside its own sidecar: farther folders first, then fewer entities first."""
    if not own.name.startswith("sub-"):
        return
    entities, suffix = _name(own)
    for folder in reversed(_folders(own)):
        files = [path for path in folder.glob(f"*{escape(suffix)}.json") if path.is_file()]
        fitting = [path for path in files if _name(path)[1] == suffix and _name(path)[0] <= entities]
        for path in sorted(fitting, key=lambda path: (len(_name(path)[0]), path.name)):
            if path.absolute() != own.absolute():
                yield path


def _folders(own: Path) -> list[Path]:
    """Return the image's folder and those above it up to its data set's; none outside of a data set."""
    folders: list[Path] = []
    for folder in own.absolute().parents:
        folders.append(folder)
        if (folder / _DATA_SET).is_file():
            return folders
    return []


def _name(path: Path) -> tuple[frozenset[str], str]:
    """Return the entities (``acq-epi``) and the suffix of a name."""
    *entities, suffix = path.stem.split("_")
    return frozenset(entities), suffix
