"""GDCM in a process of its own.

Damaged JPEG streams make GDCM abort or overrun memory (SIGABRT and SIGSEGV, each within seconds of fuzzing), which
no ``except`` can catch; a damaged file must cost a sentence, not a process that may be serving an archive.
Lossless JPEG, the usual compression of archives, has no other free decoder: it is decoded by a child that may die.

Conventions:
    * The parent writes one line a file, its path as JSON; the child answers one line, ``{"shape": [...], "dtype":
      "..."}`` and that many bytes, or ``{"error": "..."}``.
    * What the child prints to stderr is dropped: decoders write there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels import get_decoder

from microbleeds.read.nifti import MOST_VOXELS

# A frame takes some milliseconds, a multi-frame file of 300 frames some seconds.
PATIENCE_S = 120.0


class DecoderDiedError(Exception):
    """The child died, hung or could not decode."""


class GdcmProcess:
    """A child that decodes files; it is started when the first file comes, and again after it died."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> GdcmProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def decode(self, path: Path) -> NDArray:
        """Return the stored numbers of a file as pydicom's decoder gives them.

        Raises:
            DecoderDiedError: if they can't be had.
        """
        child = self._running()
        watch = threading.Timer(PATIENCE_S, child.kill)
        watch.start()
        try:
            return _asked(child, path)
        except (OSError, ValueError, DecoderDiedError) as error:
            self._stop()
            raise DecoderDiedError(str(error)) from error
        finally:
            watch.cancel()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            command = [sys.executable, "-m", "microbleeds.read.dicom.gdcm_process"]
            self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        return self._child

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.communicate()


def _asked(child: subprocess.Popen[bytes], path: Path) -> NDArray:
    """Send a path to the child and read its answer."""
    if child.stdin is None or child.stdout is None:
        raise DecoderDiedError("no pipe")
    child.stdin.write(json.dumps(str(path)).encode() + b"\n")
    child.stdin.flush()
    line = child.stdout.readline()
    if not line:
        raise DecoderDiedError("the decoder died")
    answer = json.loads(line)
    if "error" in answer:
        raise DecoderDiedError(answer["error"])
    shape, dtype = tuple(int(n) for n in answer["shape"]), np.dtype(answer["dtype"])
    if np.prod([float(n) for n in shape]) > MOST_VOXELS:
        raise DecoderDiedError("too much")
    size = int(np.prod(shape)) * dtype.itemsize
    content = child.stdout.read(size)
    if len(content) < size:
        raise DecoderDiedError("the decoder died")
    return np.frombuffer(content, dtype=dtype).reshape(shape)


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Decode the files that are asked for until there are no more requests."""
    for line in requests:
        try:
            dataset = pydicom.dcmread(json.loads(line), force=True)
            decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
            array = np.ascontiguousarray(decoder.as_array(dataset, raw=True, decoding_plugin="gdcm")[0])
            answer = {"shape": array.shape, "dtype": array.dtype.str}
            content = array.tobytes()
        except Exception as error:
            # Whatever is wrong with a file, the next one may be sound.
            answer, content = {"error": type(error).__name__}, b""
        answers.write(json.dumps(answer).encode() + b"\n" + content)
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
