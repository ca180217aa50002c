"""Stored pixels of a file, through pydicom and the decoders it finds; what can't be decoded becomes a clause.

Conventions:
    * Lengths and sizes are compared with the headers before anything is decoded, so that a small file can't claim
      gigabytes.
    * Among several decoders those that check their input best come first; GDCM, the only one for lossless JPEG,
      comes last and works in a process of its own (:mod:`.gdcm_process`).
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import UID, RLELossless

from microbleeds.read.dicom.gdcm_process import DecoderDiedError, GdcmProcess
from microbleeds.read.dicom.values import integer, text
from microbleeds.read.nifti import MOST_VOXELS

_PREFERENCE = ("pydicom", "pyjpegls", "pylibjpeg", "pillow", "gdcm")
_J2K_START = b"\xff\x4f\xff\x51"
_JPEG_START = b"\xff\xd8"
# Start-of-frame marks of JPEG and JPEG-LS; C4, C8 and CC are tables.
_FRAME_MARKS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}


class UnreadablePixelsError(Exception):
    """Pixels can't be used; the message is a clause without a full stop."""


def stored_frames(dataset: Dataset, path: Path, gdcm: GdcmProcess) -> NDArray:
    """Return the stored numbers [frames, rows, columns] of a grey-scale file.

    Args:
        dataset: the whole file.
        path: of the file.
        gdcm: decodes what nothing else can.

    Raises:
        UnreadablePixelsError: if pixels are missing, too few, of a kind that can't be decoded, or damaged.
    """
    rows, columns = integer(dataset, "Rows") or 0, integer(dataset, "Columns") or 0
    frames = integer(dataset, "NumberOfFrames") or 1
    if min(rows, columns, frames) < 1 or rows * columns * frames > MOST_VOXELS:
        raise UnreadablePixelsError(f"it claims {frames} frames of {columns} x {rows} pixels, which no scan has")
    if (integer(dataset, "SamplesPerPixel") or 1) != 1 or text(
        dataset, "PhotometricInterpretation"
    ) != "MONOCHROME2":
        raise UnreadablePixelsError("its pixels aren't plain grey values (MONOCHROME2)")
    syntax = _syntax(dataset)
    if not syntax.is_transfer_syntax:
        raise UnreadablePixelsError("its transfer syntax is unknown; export the study uncompressed")
    _refuse_missing(dataset)
    if syntax.is_compressed:
        _refuse_false_sizes(dataset, syntax, frames, rows, columns)
    else:
        _refuse_truncated(dataset, rows * columns * frames)
    array = _decoded(dataset, syntax, path, gdcm)
    if array.size != rows * columns * frames:
        raise UnreadablePixelsError("its pixels have another size than its header says")
    return array.reshape(frames, rows, columns)


def _syntax(dataset: Dataset) -> UID:
    """Return the transfer syntax; files without a preamble are as pydicom found them."""
    syntax = UID(text(dataset.file_meta, "TransferSyntaxUID")) if hasattr(dataset, "file_meta") else UID("")
    if syntax:
        return syntax
    implicit, little = dataset.original_encoding
    return UID("1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2")


def _refuse_missing(dataset: Dataset) -> None:
    try:
        present = bool(dataset.PixelData)
    except Exception:
        # No such element, or bytes that make no element.
        present = False
    if not present:
        raise UnreadablePixelsError("it has no pixels, or they are cut off")


def _refuse_truncated(dataset: Dataset, count: int) -> None:
    bits = integer(dataset, "BitsAllocated") or 0
    if bits not in (8, 16, 32):
        raise UnreadablePixelsError(f"it has {bits} bits a pixel, which isn't supported")
    held, needed = len(dataset.PixelData), count * bits // 8
    if held < needed:
        raise UnreadablePixelsError(f"it is truncated ({held:,} of {needed:,} bytes of pixels); copy it again")


def _refuse_false_sizes(dataset: Dataset, syntax: UID, frames: int, rows: int, columns: int) -> None:
    """A compressed image states its own size, and a decoder would believe it."""
    if syntax == RLELossless:
        return
    try:
        encoded = list(generate_frames(dataset.PixelData, number_of_frames=frames))
    except Exception as error:
        raise UnreadablePixelsError(f"its compressed pixels are damaged ({type(error).__name__})") from error
    for one in encoded:
        size = _encoded_size(one)
        if size is not None and size != (rows, columns):
            raise UnreadablePixelsError("its compressed pixels have another size than its header says")


def _encoded_size(encoded: bytes) -> tuple[int, int] | None:
    """Return rows and columns that a JPEG, JPEG-LS or JPEG 2000 stream states."""
    try:
        if encoded.startswith(_J2K_START):
            right, bottom, left, top = struct.unpack_from(">4I", encoded, 8)
            return bottom - top, right - left
        at = 2 if encoded.startswith(_JPEG_START) else len(encoded)
        while at + 9 <= len(encoded) and encoded[at] == 0xFF:
            mark, length = encoded[at + 1], struct.unpack_from(">H", encoded, at + 2)[0]
            if mark in _FRAME_MARKS:
                rows, columns = struct.unpack_from(">2H", encoded, at + 5)
                return rows, columns
            at += 2 + length
    except struct.error:
        return None
    return None


def _decoded(dataset: Dataset, syntax: UID, path: Path, gdcm: GdcmProcess) -> NDArray:
    try:
        decoder = get_decoder(syntax)
        plugins = sorted(decoder.available_plugins, key=_PREFERENCE.index) if syntax.is_compressed else [""]
    except (NotImplementedError, ValueError):
        plugins = []
    if not plugins:
        raise UnreadablePixelsError(
            f"its transfer syntax ({syntax.name}) can't be decoded; export the study uncompressed"
        )
    failed = ""
    for plugin in plugins:
        try:
            if plugin == "gdcm":
                return gdcm.decode(path)
            return np.asarray(decoder.as_array(dataset, raw=True, decoding_plugin=plugin)[0])
        except DecoderDiedError as error:
            failed = str(error)
        except Exception as error:
            # Decoders raise whatever they like on damaged streams.
            failed = type(error).__name__
    raise UnreadablePixelsError(f"its pixels are damaged or cut off ({failed})")
