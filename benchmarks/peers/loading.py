"""Trained peers as searchers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from microbleeds.compute import Compute
from microbleeds.detect import DetectSettings, suppress
from microbleeds.errors import InputError
from microbleeds.prepare import Prepared
from microbleeds.report.run_record import sha256_of
from peers.methods import new_peer
from peers.peer import Peer


class PeerSearcher:
    """A trained peer; see :class:`search.Searcher`."""

    def __init__(self, peer: Peer, facts: dict[str, Any], compute: Compute) -> None:
        self._peer, self._facts, self._compute = peer, facts, compute

    def facts(self) -> dict[str, Any]:
        """What is to be said of it beside its result."""
        return self._facts

    def search(self, prepared: Prepared) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return positions [N, 3] in RAS mm and scores [N] of the candidates in the brain.

        Of two that the detector would take for one microbleed the weaker is dropped here too, or it would count
        as a false positive.
        """
        voxels, scores = self._peer.candidates(prepared, self._compute)
        positions = prepared.grid.to_mm(voxels).reshape(-1, 3)
        kept = suppress(positions, scores, DetectSettings.separation_mm)
        return positions[kept], scores[kept]


def load_peer(method: str, run: Path, compute: Compute) -> PeerSearcher:
    """Load what a run has learned.

    Raises:
        InputError: if the run is not finished, is of another method, or its weights were changed.
    """
    weights, card = run / "weights.safetensors", run / "weights.json"
    if not weights.exists() or not card.exists():
        raise InputError(f"{run} holds no weights yet; train the row to its end.")
    facts = json.loads(card.read_text(encoding="utf-8"))
    if facts.get("method") != method or facts["weights_sha256"] != sha256_of(weights):
        raise InputError(f"{weights} is not what {card.name} describes; train the row {method} anew.")
    peer = new_peer(method)
    peer.module.load_state_dict(load_file(weights))
    return PeerSearcher(peer, facts, compute)
