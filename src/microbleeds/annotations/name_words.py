"""Words in names of files and folders, by what they say.

dcm2niix appends ``ph`` to phase images and ``e1``, ``e2`` to echoes; Siemens names its series ``Mag_Images``,
``Pha_Images``, ``mIP_Images(SW)`` and ``SWI_Images``, GE ``SWAN`` and ``FILT_PHA``, Philips ``SWIp``.
"""

from __future__ import annotations

ENTITIES = frozenset(
    [
        "sub",
        "ses",
        "acq",
        "run",
        "echo",
        "part",
        "space",
        "desc",
        "label",
        "rec",
        "dir",
        "res",
        "ce",
        "chunk",
        "hemi",
        "task",
    ]
)
PROJECTION = frozenset(["minip", "mip", "mnip"])
PHASE = frozenset(["phase", "ph", "pha", "phs", "phasemap", "phz"])
MAGNITUDE = frozenset(["mag", "magnitude", "magn"])
SWI = frozenset(["swi", "sw", "swan", "swip", "venobold"])
# Philips calls T2*-weighted gradient echo "T2W_FFE", with "HEMO" for what it is made for.
FIELD_ECHO = frozenset(["ffe", "hemo", "haemo"])
GRADIENT_ECHO = frozenset(["gre", "megre", "t2s", "t2star", "t2starw", "t2stern", "t2sw"])
BLEED = frozenset(["cmb", "cmbs", "microbleed", "microbleeds", "bleed", "bleeds", "lesion", "lesions"])
MASK = frozenset(
    [
        "mask",
        "masks",
        "label",
        "labels",
        "seg",
        "dseg",
        "segmentation",
        "gt",
        "roi",
        "rois",
        "annotation",
        "annotations",
        "truth",
        "manual",
    ]
)
ANATOMY = frozenset(
    ["brain", "bet", "skull", "tissue", "tissues", "csf", "wm", "gm", "head", "vessel", "vessels", "aseg", "aparc"]
)
# Real and imaginary parts are no magnitudes, whatever sequence they name.
COMPLEX_PARTS = frozenset(["real", "imag", "imaginary"])
OTHER = COMPLEX_PARTS | frozenset(
    [
        "t1",
        "t1w",
        "t2",
        "t2w",
        "flair",
        "pd",
        "pdw",
        "dwi",
        "adc",
        "bold",
        "qsm",
        "chimap",
        "r2s",
        "r2star",
        "t2map",
        "tof",
        "angio",
        "fieldmap",
        "localizer",
        "localiser",
        "scout",
    ]
)
#: Contrasts on which no microbleed can be told, in words. Not here: ``t1`` and ``t2``, which may be visits, and
#: what a name may hold for another reason (``real``, ``bold``, ``angio``).
CONTRASTS = {
    "t1w": "a T1-weighted image",
    "mprage": "a T1-weighted image",
    "mp2rage": "a T1-weighted image",
    "t2w": "a T2-weighted image",
    "flair": "a FLAIR image",
    "pdw": "a proton-density-weighted image",
    "dwi": "a diffusion-weighted image",
    "adc": "a diffusion map",
    "qsm": "a susceptibility map",
    "chimap": "a susceptibility map",
    "r2star": "a relaxation map",
    "t2map": "a relaxation map",
    "tof": "an angiography",
    "fieldmap": "a field map",
}
#: Values of ``ImageType``.
PHASE_TYPES = frozenset(["P", "PHASE"])
PROJECTION_TYPES = frozenset(["MNIP", "MINIP", "MIN_IP"])
FILLER = frozenset(
    ["images", "image", "img", "nii", "nifti", "original", "orig", "resampled", "masked", "stripped"]
)
CONTAINERS = frozenset(
    [
        "data",
        "dataset",
        "anat",
        "func",
        "scan",
        "scans",
        "sourcedata",
        "rawdata",
        "raw",
        "derivatives",
        "ground",
        "truth",
        "groundtruth",
        "points",
        "point",
        "centers",
        "centres",
        "center",
        "centre",
        "centroids",
        "mat",
        "matlab",
        "excel",
        "xlsx",
        "csv",
        "tsv",
        "sheets",
        "tables",
    ]
)
ROLES = PROJECTION | PHASE | MAGNITUDE | SWI | GRADIENT_ECHO | BLEED | MASK
POINTS = frozenset(["points", "centers", "centres", "cen"])
# Words that say what a file is and not whose.
NAMELESS = ROLES | OTHER | FILLER | ANATOMY | POINTS
# The same of a cell or a sheet, which may hold a file's name, and of who read it.
NAMELESS_CELL = NAMELESS | CONTAINERS | frozenset(["gz", "marks", "marked", "final"])
