"""Nothing of a patient in logs and queues: studies go by a token, and sentences are cleared of names.

A token is the beginning of a hash of the Study Instance UID; it says nothing without the archive.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from microbleeds.read.dicom.discreet import HIDDEN, Discretion
from microbleeds.read.dicom.headers import patient_of

_SHORTEST = 3
_IDENTIFYING = (
    "PatientName",
    "PatientID",
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "PatientBirthDate",
    "StudyDate",
    "SeriesDate",
    "AcquisitionDate",
    "ContentDate",
    "InstanceCreationDate",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "AccessionNumber",
    "StudyID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "ReferringPhysicianName",
    "InstitutionName",
)


def token_of(study_uid: str) -> str:
    """Return what a study is called in logs and on disk."""
    return hashlib.sha256(study_uid.encode()).hexdigest()[:20]


def cleared(sentence: str, folder: Path) -> str:
    """Return a sentence without anything that the images of a folder say about their patient, nor its path.

    Where no header can be read, nobody knows what would have to go, so that nothing of the sentence stays.
    """
    words: set[str] = {str(folder), str(folder.resolve())}
    paths = sorted(folder.glob("*"))
    header = next((found for path in paths if (found := _header(path)) is not None), None)
    if paths and header is None:
        return "No header of the study can be read, so that the reason isn't quoted."
    if header is not None:
        sentence = Discretion([patient_of(header)])(sentence)
        words |= identifying(header)
    for word in sorted(words, key=len, reverse=True):
        sentence = re.sub(re.escape(word), HIDDEN, sentence, flags=re.IGNORECASE)
    return sentence


def _header(path: Path) -> Dataset | None:
    """Return what identifies the patient of an image, ``None`` if it can't be read."""
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_IDENTIFYING))
        identifying(header)
    except Exception:  # pydicom parses values late, and damaged ones raise whatever they like
        return None
    # Of a damaged file it reads what it can; every image that came has this one.
    return header if header.get("StudyInstanceUID") else None


def identifying(header: Dataset) -> set[str]:
    """Return the texts of a header that name a patient, whole and in their parts."""
    found: set[str] = set()
    for name in _IDENTIFYING:
        value = header.get(name)
        for text in value if isinstance(value, list | tuple | pydicom.multival.MultiValue) else [value]:
            if text is not None:
                whole = str(text)
                found |= {whole, *re.split(r"[\^=\s,]+", whole)}
    return {word for word in found if len(word) >= _SHORTEST}
