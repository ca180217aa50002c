"""Whatever stands in the files, only an InputError may come out of the reader.

A little study is mutated: bytes changed, cut out, doubled or filled in, and elements set to what they can't be.
``MICROBLEEDS_FUZZ_SECONDS`` lets it run longer than the few examples of the suite. Crashes found that way became
tests beside what they broke, such as ``test_a_stream_that_makes_gdcm_abort`` of the voxels.
"""

from __future__ import annotations

import os
import random
import time
import zipfile
from functools import cache
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from dicom_files import LARGE_ENOUGH, localiser, multi_frame, phase, pixels, sequence, slices
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from microbleeds.errors import InputError
from microbleeds.read.dicom.parts import parts_of
from microbleeds.read.dicom.study import open_study

SECONDS = float(os.environ.get("MICROBLEEDS_FUZZ_SECONDS", "0"))
KINDS = [("MAGNITUDE", ("ORIGINAL", "PRIMARY", "M", "SWI")), ("PHASE", ("ORIGINAL", "PRIMARY", "P", "ND"))]
WORDS = [
    "",
    "\\",
    "0",
    "-1",
    "1e400",
    "nan",
    "inf",
    "1\\2",
    "x" * 70,
    "\ud83e".encode("utf-8", "replace").decode(),
]


def encoded(dataset: Dataset) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@cache
def studies() -> tuple[tuple[bytes, ...], ...]:
    """Studies as bytes: single frames, multi-frame, and compressed ones."""
    whole = [*slices(), *phase(), *localiser()]
    packed = []
    for syntax in (RLELossless, JPEG2000Lossless):
        images = slices(stored=LARGE_ENOUGH)
        for image in images:
            image.compress(syntax, generate_instance_uid=False)
        packed.append(images)
    deflated = [*slices(), *phase()]
    for image in deflated:
        image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    made = [whole, [multi_frame(4, "SWI", KINDS)], *packed, deflated, _complex(), _philips()]
    return tuple(tuple(encoded(dataset) for dataset in study) for study in made)


def _complex() -> list[Dataset]:
    """GE's real and imaginary images."""
    made = []
    for code in (2, 3):
        for image in slices(9, "ORIG: Ax SWAN", ("ORIGINAL", "PRIMARY", "OTHER"), stored=pixels(code)):
            image.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", code)
            image.SOPInstanceUID += f".{code}"
            image.InstanceNumber += 100 * code
            made.append(image)
    return made


def _philips() -> list[Dataset]:
    """Values that a private scale slope and a real-world mapping change."""
    images = slices(RescaleSlope="2", RescaleIntercept="0", Manufacturer="Philips Medical Systems")
    for image in images:
        image.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 0.25)
    file = multi_frame(4, "SWI", KINDS)
    for frame in file.PerFrameFunctionalGroupsSequence:
        frame.RealWorldValueMappingSequence = sequence(
            RealWorldValueSlope=0.001,
            RealWorldValueIntercept=-2.0,
            MeasurementUnitsCodeSequence=sequence(CodeValue="rad"),
        )
    return [*images, file]


def survives(folder: Path) -> None:
    """Read everything that detect would read."""
    try:
        with open_study(folder) as study:
            parts_of(study)
            study.main.datasets()
    except InputError as error:
        sentence = str(error)
    else:
        return
    assert sentence.strip(), "an empty sentence"


def write(folder: Path, files: list[bytes]) -> None:
    for old in folder.iterdir():
        old.unlink()
    for count, content in enumerate(files):
        (folder / f"{count:03d}").write_bytes(content)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Change a file's bytes; headers more often than pixels, since they decide."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        last = len(changed) - 1
        if last < 200:
            break
        at = rng.randint(128, min(last, rng.choice([400, 1500, last])))
        kind = rng.random()
        if kind < 0.5:
            changed[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)])
        elif kind < 0.65:
            changed[at : at + 4] = rng.choice(
                [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\x01\0\0\0"]
            )
        elif kind < 0.75:
            del changed[at : at + rng.randint(1, 60)]
        elif kind < 0.85:
            changed[at:at] = changed[at : at + rng.randint(1, 60)]
        elif kind < 0.92:
            del changed[at:]
        else:
            changed[at : at + 2] = rng.choice([b"SQ", b"UN", b"DS", b"US", b"OW", b"PN", b"UI", b"FD"])
    return bytes(changed)


def edited(content: bytes, rng: random.Random) -> bytes:
    """Give elements values that they can't have."""
    dataset = pydicom.dcmread(BytesIO(content))
    elements = [element for element in dataset.iterall() if element.VR not in ("SQ", "OW", "OB")]
    for element in rng.sample(elements, rng.randint(1, 4)):
        try:
            if element.VR in ("US", "UL", "SS", "SL", "FD", "FL"):
                element.value = rng.choice([0, 1, 3, 65535, 32767, [1, 2, 3], None])
            else:
                element.value = rng.choice([*WORDS, None])
        except Exception:
            # pydicom won't hold such a value; the bytes are mutated elsewhere.
            continue
    if rng.random() < 0.3:
        doomed = rng.choice([tag for tag in list(dataset.keys()) if tag.group > 2])
        del dataset[doomed]
    try:
        return encoded(dataset)
    except Exception:
        return content


def attack(folder: Path, seed: int) -> None:
    """Damage some files of one study and read it."""
    rng = random.Random(seed)
    files = list(rng.choice(studies()))
    change = rng.choice([mutated, edited])
    chosen = rng.sample(range(len(files)), min(len(files), rng.choice([1, 2, len(files)])))
    # The same damage in all files gets past what compares them.
    alike = rng.random() < 0.5
    for number in chosen:
        files[number] = change(files[number], random.Random(seed) if alike else rng)
    if rng.random() < 0.1:
        files += rng.sample(files, min(3, len(files)))
    write(folder, files)
    if rng.random() < 0.2:
        survives(_zipped(folder, rng))
    else:
        survives(folder)


def _zipped(folder: Path, rng: random.Random) -> Path:
    """Pack the files of a folder, and mostly damage the zip itself."""
    path = folder / "study.zip"
    with zipfile.ZipFile(path, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as out:
        for file in sorted(folder.iterdir()):
            if file != path:
                out.write(file, file.name)
                file.unlink()
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice([0, 1, 3])):
        # The directory at the end decides what a zip holds.
        at = rng.randrange(max(0, len(content) - rng.choice([80, 2000, len(content)])), len(content))
        content[at] = rng.randrange(256)
    path.write_bytes(bytes(content))
    return path


@pytest.mark.filterwarnings("ignore")
class TestFuzz:
    @settings(
        max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
    )
    @given(seed=st.integers(0, 2**32))
    def test_damaged_studies(self, tmp_path: Path, seed: int):
        attack(tmp_path, seed)

    @pytest.mark.skipif(not SECONDS, reason="MICROBLEEDS_FUZZ_SECONDS isn't set")
    @pytest.mark.timeout(0)
    def test_for_a_long_time(self, tmp_path: Path):
        begin, count = time.monotonic(), 0
        crashes: dict[str, int] = {}
        while time.monotonic() - begin < SECONDS:
            seed = random.randrange(2**63)
            count += 1
            try:
                attack(tmp_path, seed)
            except Exception as error:
                # Every kind of crash once, with the seed that shows it.
                crashes.setdefault(f"{type(error).__name__}: {str(error)[:80]}", seed)
        assert not crashes, f"{len(crashes)} kinds of crashes in {count} studies: {crashes}"
