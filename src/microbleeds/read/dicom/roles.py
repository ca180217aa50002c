"""What a stack of images shows, by what its headers say.

Sources: Siemens stores ``Mag_Images`` (Image Type ``ORIGINAL PRIMARY M ND NORM``), ``Pha_Images`` (``P``),
``mIP_Images(SW)`` (``MNIP``) and ``SWI_Images`` (``M SWI NORM``) of the sequence ``*swi3d1r``; Philips
``M_FFE`` and ``PHASE MAP`` in one series and SWIp in another; GE has SWAN, ``FILT_PHA: ...`` and ``... Min IP``,
and tells magnitude, phase, real and imaginary apart in (0043,102F). Canon's FSBB and Philips' venous BOLD are the
same kind of image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from microbleeds.read.dicom.headers import Component, Frame
from microbleeds.read.dicom.series import Role

_SUSCEPTIBILITY = re.compile(r"swi(?!ft|ng|rl|tch|ss)|(?<![a-z])swan(?![a-z])|suscept|ven_?bold|fsbb", re.I)
_T2STAR = re.compile(
    r"t2w?[ _-]*(\*|star|ffe|s(?![a-z0-9]))|(?<![a-z])ha?emo(?![a-z])|(?<![a-z])qsm(?![a-z])", re.I
)
_MAGNITUDE = re.compile(r"(?<![a-z])(mag|magn|magnitude)(?![a-z])", re.I)
_PHASE = re.compile(r"(?<![a-z])(pha|phase|phasemap)(?![a-z])", re.I)
_PHASE_OTHERWISE = re.compile(r"in[ _-]?phase|(opp|out)\w*[ _-]?phase|phase[ _-]?contrast", re.I)
_MINIMUM = re.compile(r"min[ _-]?ip(?![a-z])|(?<![a-z])mnip(?![a-z])", re.I)
_PROJECTION = re.compile(r"(?<![a-z])m[ _-]?ip(?![a-z])", re.I)
_LOCALISER = re.compile(r"locali[sz]er|scout|survey|(?<![a-z])loc(?![a-z])|plan[ _-]?scan", re.I)
_MAP_NAMES = re.compile(
    r"(?<![a-z0-9])(adc|b0 ?map|field ?map\w*|(r2|t2)(\*|star)? ?map|chi ?map|cbf|cbv|mtt)(?![a-z0-9])", re.I
)
_MAP_TYPES = {
    "ADC",
    "FA",
    "TRACEW",
    "QSM",
    "CHI",
    "B0",
    "B0 MAP",
    "FIELD_MAP",
    "T2 MAP",
    "T2_STAR MAP",
    "R2_STAR MAP",
}
_MINIMUM_TYPES = {"MNIP", "MINIP", "MIN IP", "MIN_IP"}
_PROJECTION_TYPES = {*_MINIMUM_TYPES, "MIP", "PROJECTION IMAGE"}
_SWI_TYPES = {"SWI", "SWIP", "SWAN", "M_SWI", "VENOGRAM"}
#: What is said of an image that is no magnitude, whether it can be used or not.
COMPONENTS = {"phase": "a phase image", "real": "a real image", "imaginary": "an imaginary image"}
# T1-weighted gradient echoes and angiographies end at about 7 ms, T2* begins at about 12 ms.
SHORTEST_ECHO_MS = 8.0


@dataclass(frozen=True)
class Judgement:
    """What a stack shows.

    Args:
        role: what it can be used for.
        why: a short clause.
        sure: whether the image itself says so (Image Type), not just a name that people type.
    """

    role: Role
    why: str
    sure: bool = True


def judge(frame: Frame) -> Judgement:
    """Tell what a stack shows from its first frame."""
    kinds = set(frame.image_type[2:])
    words = f"{frame.header.label} {frame.header.sequence}"
    if frame.header.samples != 1:
        return Judgement("other", "colours")
    if "LOCALIZER" in frame.image_type or _LOCALISER.search(frame.header.label):
        return Judgement("other", "a localiser")
    if kinds & _MAP_TYPES or _MAP_NAMES.search(frame.header.label):
        return Judgement("other", "a computed map")
    susceptibility = bool(kinds & _SWI_TYPES or _SUSCEPTIBILITY.search(words))
    if kinds & _PROJECTION_TYPES or _MINIMUM.search(frame.header.label) or _is_projection(frame, susceptibility):
        return _projection(kinds, frame.header.label, susceptibility)
    gradient_echo = susceptibility or bool(_T2STAR.search(words)) or _is_long_gradient_echo(frame)
    component = frame.component or _component_by_name(frame)
    if component is not None and component != "magnitude":
        return Judgement(
            component if gradient_echo else "other", COMPONENTS[component], frame.component is not None
        )
    return _magnitude(frame, kinds, gradient_echo)


def mosaic(frame: Frame) -> bool:
    """Whether many slices are stored side by side in one image, as Siemens does for functional series."""
    return "MOSAIC" in frame.image_type


def _is_long_gradient_echo(frame: Frame) -> bool:
    techniques = frame.header.techniques
    long = frame.echo_time_ms is not None and frame.echo_time_ms >= SHORTEST_ECHO_MS
    return long and "GR" in techniques and not techniques & {"EP", "SE", "IR"}


def _is_projection(frame: Frame, susceptibility: bool) -> bool:
    return susceptibility and bool(_PROJECTION.search(frame.header.label))


def _projection(kinds: set[str], label: str, susceptibility: bool) -> Judgement:
    minimum = susceptibility or _MINIMUM.search(label) or kinds & _MINIMUM_TYPES
    return Judgement("mip", "a minimum projection") if minimum else Judgement("other", "a projection")


def _component_by_name(frame: Frame) -> Component | None:
    label = frame.header.label
    return "phase" if _PHASE.search(label) and not _PHASE_OTHERWISE.search(label) else None


def _magnitude(frame: Frame, kinds: set[str], gradient_echo: bool) -> Judgement:
    """Tell SWI, plain magnitude and everything else apart."""
    label, sequence = frame.header.label, frame.header.sequence
    if kinds & _SWI_TYPES:
        return Judgement("swi", f"Image Type has {min(kinds & _SWI_TYPES)}")
    if gradient_echo and _MAGNITUDE.search(label):
        return Judgement("magnitude", "its description says magnitude")
    if _SUSCEPTIBILITY.search(label):
        return Judgement("swi", "its description says susceptibility-weighted", sure=False)
    if _SUSCEPTIBILITY.search(sequence):
        return Judgement("magnitude", "the magnitude of a susceptibility-weighted sequence", sure=False)
    if gradient_echo:
        why = "a T2*-weighted gradient echo" + (
            "" if frame.echo_time_ms is None else f" (TE {frame.echo_time_ms:.3g} ms)"
        )
        return Judgement("magnitude", why)
    return Judgement("other", "neither susceptibility- nor T2*-weighted")
