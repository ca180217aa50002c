"""Draws training subjects straight from the simulator, for :func:`microbleeds.training.stream.streamed`."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from microbleeds.prepare import PreparationSpec
from microbleeds.simulate.cohort import CohortSettings, rendered_head, scan_of_head
from microbleeds.simulate.dataset import write_scan
from microbleeds.simulate.fine_signal import FineSignal
from microbleeds.training.dataset import read_subject
from microbleeds.training.subjects import TrainingSubject


@dataclass
class DrawSimulated:
    """Subject number ``index`` of an endless cohort.

    Each scan goes through the files that a user would have, so that it is read and prepared in just the same way.

    Args:
        settings: of the cohort; its scans per head say how often a head is used again.
        seed: of the cohort.
        anatomies: label maps; none for the MNI152 head.
        device: to simulate on.
        spec: how to prepare.
        scratch: folder for the files of a scan while it is read; the system's if ``None``.
    """

    settings: CohortSettings
    seed: int
    anatomies: tuple[Path, ...] = ()
    device: str = "auto"
    spec: PreparationSpec = field(default_factory=PreparationSpec)
    scratch: Path | None = None
    _kept: tuple[int, FineSignal] | None = field(default=None, init=False, repr=False)

    def __call__(self, index: int) -> TrainingSubject:
        """Simulate, write, read and prepare subject ``index``."""
        head, number = divmod(index, self.settings.scans_per_head)
        if self._kept is None or self._kept[0] != head:
            self._kept = None  # frees the old head before the new one is drawn
            fine = rendered_head(head, self.seed, self.settings, self.anatomies, self.device)
            self._kept = (head, fine)
        name = f"sub-{index + 1:06d}"
        with tempfile.TemporaryDirectory(prefix=".scan-", dir=self.scratch) as folder:
            write_scan(Path(folder), name, scan_of_head(self._kept[1], head, number, self.seed, self.settings))
            return read_subject(Path(folder), name, self.spec)

    def facts(self) -> dict[str, object]:
        """What is drawn, for the record of a run."""
        heads = [path.name.removesuffix(".gz").removesuffix(".nii") for path in self.anatomies]
        return {**asdict(self.settings), "heads": heads, "seed": self.seed}

    @property
    def description(self) -> str:
        """What is drawn, in words for a card."""
        return f"simulator, protocol {self.settings.protocol}, {len(self.anatomies)} heads, seed {self.seed}"
