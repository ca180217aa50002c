"""Second stage of a search: what :mod:`microbleeds.networks.refinement` says of each candidate."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from microbleeds.compute import Compute
from microbleeds.networks.config import Stride
from microbleeds.networks.detector import Detector
from microbleeds.networks.finite import finite
from microbleeds.networks.refinement import Refinement
from microbleeds.tiles import cut_box

AT_ONCE = 64  # patches; more are no faster on the processors measured, and take more memory


def refinement_logits(
    image: NDArray[np.float32], voxels: NDArray[np.float64], fast: Detector, compute: Compute
) -> NDArray[np.float64]:
    """Ask the second stage of candidates.

    Args:
        image: masked [C, X, Y, Z] on the working grid.
        voxels: [N, 3] centres, fractional.
        fast: with a second stage, as :func:`microbleeds.networks.detector.for_inference` returns it.
        compute: for which ``fast`` was made.

    Returns:
        [N] mean logit of the patch and its mirror image along each axis.

    Raises:
        ValueError: if there is no second stage.
    """
    if fast.refinement is None:
        raise ValueError("These weights have no second stage.")
    said = [np.zeros(0)]
    with torch.inference_mode():
        for first in range(0, len(voxels), AT_ONCE):
            patches = patches_around(image, voxels[first : first + AT_ONCE], fast.refinement.config.patch)
            given = torch.from_numpy(patches).to(compute.device, compute.dtype)
            views = [given, *(torch.flip(given, (axis,)) for axis in (2, 3, 4))]
            logits = [finite(partial(_ask, fast.refinement, view))[0].double().cpu().numpy() for view in views]
            said.append(np.mean(logits, axis=0))
    return np.concatenate(said)


def patches_around(image: NDArray[np.float32], voxels: NDArray[np.float64], size: Stride) -> NDArray[np.float32]:
    """Cut patches [N, C, *size] around voxels [N, 3] of an image [C, X, Y, Z]; zero outside of it."""
    starts = np.rint(voxels - (np.asarray(size) - 1) / 2).astype(int)
    return np.stack([cut_box(image, start, size) for start in starts])


def _ask(refinement: Refinement, patches: Tensor) -> tuple[Tensor]:
    """Return the logits [N] of patches."""
    return (refinement(patches.contiguous(memory_format=torch.channels_last_3d)),)
