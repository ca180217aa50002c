"""The anatomy network that a result was made with, so that its scan's brain is found again as it was then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from microbleeds.errors import InputError
from microbleeds.report.run_record import RunRecord
from microbleeds.segmentation import anatomy_of


def anatomy_searched(run: RunRecord | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what :func:`microbleeds.segmentation.segment` is to be given beside the scan, and warnings.

    Args:
        run: how the result was made, if it says.

    Returns:
        ``network`` and ``card`` of the weights that the user gave then. Nothing, so that the shipped ones serve,
        where none were given and, with a sentence for the reader, where they are gone or changed.
    """
    given = None if run is None else run.options.get("anatomy_weights")
    if run is None or given is None:
        return {}, ()
    try:
        network, card = anatomy_of(Path(given))
    except InputError:
        state = "can't be read any more"
    else:
        if card.sha256 == run.weights_sha256.get("anatomy"):
            return {"network": network, "card": card}, ()
        state = "have changed since"
    return {}, (f"The anatomy weights {given} {state}; the brain's outline is that of the shipped ones.",)
