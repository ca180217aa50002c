"""A subject of a simulated data set, read back for writing it in another form.

Conventions:
    * Arrays are [x, y, z] on a grid whose first axis runs to the left and whose second runs to the back, as axial
      DICOM slices are stored (columns to the left, rows to the back), slices upwards.
    * Phase is in radians with the sign of the data set's file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.simulate.dataset import TRUTH

_CENTRE_AND_STEP = {
    "radians": (0.0, 1.0),
    "milliradians": (0.0, 1e-3),
    "0..4095": (4095 / 2, 2 * np.pi / 4095),
    "-4096..4095": (0.0, np.pi / 4096),
}


@dataclass(frozen=True, eq=False)
class SubjectImages:
    """The images of one scan.

    Args:
        subject: for instance ``sub-001``.
        magnitude: int16, 12 bits; ``swi`` and ``minimum_projection`` likewise.
        phase_rad: float32.
    """

    subject: str
    grid: Grid
    swi: NDArray[np.int16]
    magnitude: NDArray[np.int16]
    minimum_projection: NDArray[np.int16]
    phase_rad: NDArray[np.float32]
    field_strength_t: float
    echo_time_ms: float
    repetition_time_ms: float
    flip_angle_deg: float
    slice_thickness_mm: float
    two_dimensional: bool


def read_subject(data: Path, subject: str) -> SubjectImages:
    """Read the images of a subject as ``microbleeds simulate`` wrote them.

    Raises:
        InputError: if the subject isn't there.
    """
    anat = data / subject / "anat"
    settings_path = data / TRUTH / subject / "anat" / f"{subject}_simulation.json"
    if not settings_path.is_file():
        raise InputError(f"There is no simulated subject {subject} in {data}.")
    settings = json.loads(settings_path.read_text(encoding="utf-8"))["settings"]
    sidecar = json.loads((anat / f"{subject}_swi.json").read_text(encoding="utf-8"))
    grid, swi = _image(anat / f"{subject}_swi.nii.gz", np.int16)
    centre, step = _CENTRE_AND_STEP[settings["phase_unit"]]
    phase = _image(anat / f"{subject}_part-phase_GRE.nii.gz", np.float32)[1]
    return SubjectImages(
        subject=subject,
        grid=grid,
        swi=swi,
        magnitude=_image(anat / f"{subject}_part-mag_GRE.nii.gz", np.int16)[1],
        minimum_projection=_image(anat / f"{subject}_minIP.nii.gz", np.int16)[1],
        phase_rad=((phase - np.float32(centre)) * np.float32(step)).astype(np.float32),
        field_strength_t=sidecar["MagneticFieldStrength"],
        echo_time_ms=sidecar["EchoTime"] * 1000,
        repetition_time_ms=sidecar["RepetitionTime"] * 1000,
        flip_angle_deg=sidecar["FlipAngle"],
        slice_thickness_mm=sidecar["SliceThickness"],
        two_dimensional=sidecar["MRAcquisitionType"] == "2D",
    )


def _image(path: Path, dtype: type) -> tuple[Grid, NDArray]:
    """Read an image and turn its first two axes round: the data set's run to the right and to the front."""
    image = nib.nifti1.Nifti1Image.from_filename(path)
    array: NDArray = np.asarray(image.dataobj).astype(dtype)[::-1, ::-1]
    affine = np.array(image.affine)
    affine[:3, 3] = affine[:3, :3] @ [array.shape[0] - 1, array.shape[1] - 1, 0] + affine[:3, 3]
    affine[:3, :2] *= -1
    x, y, z = array.shape
    return Grid((x, y, z), affine), array
