"""A tiny DICOM study, an archive that counts what it gets, and a stand-in for the detector."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, SecondaryCaptureImageStorage
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind, Verification

from microbleeds.node.work import Outcome

NAME, PATIENT_ID, ACCESSION = "Papadopoulou^Kyriaki", "PID-90210", "ACC-31415"
SECRETS = ("Papadopoulou", "Kyriaki", PATIENT_ID, ACCESSION, "19480229", "1.2.826.77.1")
OBJECTS = 3


def image(number: int, study: str = "1.2.826.77.1", sop_class: str = MRImageStorage) -> Dataset:
    """One slice of 8 x 8 pixels."""
    dataset = Dataset()
    uid = f"{study}.2.{number}"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID = sop_class, uid
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid
    dataset.PatientName, dataset.PatientID, dataset.AccessionNumber = NAME, PATIENT_ID, ACCESSION
    dataset.PatientBirthDate, dataset.PatientSex = "19480229", "F"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, f"{study}.2"
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = f"{study}.9", ""
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID, dataset.ReferringPhysicianName = "", "", "", ""
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "MR", 3, number
    dataset.SeriesDescription, dataset.Manufacturer = "SWI_Images", "ACME"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "NORM", "SWI"]
    dataset.Rows = dataset.Columns = 8
    dataset.ImageOrientationPatient, dataset.PixelSpacing = [1, 0, 0, 0, 1, 0], [2, 2]
    dataset.ImagePositionPatient, dataset.SliceThickness = [0, 0, 3 * number], 3
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelData = bytes(128)
    return dataset


def study(slices: int = 3) -> list[Dataset]:
    return [image(number) for number in range(1, slices + 1)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def send(
    port: int, images: list[Dataset], caller: str = "SCANNER", called: str = "MICROBLEEDS", **options: Any
) -> list[int]:
    """Send images and return the answers; none if the association wasn't accepted."""
    entity = AE(caller)
    for sop_class in {str(one.SOPClassUID) for one in images}:
        entity.add_requested_context(sop_class, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port, ae_title=called, **options)
    if not association.is_established:
        return []
    answers = [int(association.send_c_store(one).get("Status", -1)) for one in images]
    association.release()
    return answers


def echo(port: int, caller: str = "SCANNER", called: str = "MICROBLEEDS", **options: Any) -> bool:
    entity = AE(caller)
    entity.add_requested_context(Verification)
    association = entity.associate("127.0.0.1", port, ae_title=called, **options)
    if not association.is_established:
        return False
    status = association.send_c_echo()
    association.release()
    return status.get("Status") == 0


def listens(port: int) -> bool:
    """Whether a port is open."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something is so; the limit is generous, since machines may be busy."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


class Archive:
    """Stores what it gets in memory, counts it, and answers C-FIND at image level."""

    def __init__(self, port: int, *, findable: bool = True, status: int = 0, ssl_context: Any = None) -> None:
        self.port, self.status = port, status
        self.stored: Counter[str] = Counter()
        self.contents: dict[str, set[bytes]] = {}
        #: Called with the number of the object after it was stored and before it is answered.
        self.before_answer: Callable[[int], None] = lambda number: None
        self._entity = AE("PACS")
        self._entity.supported_contexts = AllStoragePresentationContexts
        if findable:
            self._entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_C_FIND, self._find)]
        self._entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers, ssl_context=ssl_context)

    def _store(self, event: evt.Event) -> int:
        if self.status:
            return self.status
        uid = str(event.request.AffectedSOPInstanceUID)
        self.stored[uid] += 1
        self.contents.setdefault(uid, set()).add(event.request.DataSet.getvalue())
        self.before_answer(sum(self.stored.values()))
        return 0

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        wanted = str(event.identifier.SOPInstanceUID)
        if wanted in self.stored:
            answer = Dataset()
            answer.QueryRetrieveLevel, answer.SOPInstanceUID = "IMAGE", wanted
            yield 0xFF00, answer

    def stop(self) -> None:
        self._entity.shutdown()


def stand_in(images: Path, out: Path) -> Outcome:
    """Make three small objects of the study; the same study gives the same objects."""
    out.mkdir(parents=True)
    source = pydicom.dcmread(sorted(images.glob("*.dcm"))[0])
    paths = []
    for number in range(OBJECTS):
        made = image(100 + number, str(source.StudyInstanceUID), SecondaryCaptureImageStorage)
        made.save_as(out / f"{number}.dcm", enforce_file_format=True)
        paths.append(out / f"{number}.dcm")
    return Outcome(tuple(paths), f"digest of {len(list(images.glob('*.dcm')))} images")


class Running:
    """A node that works in a thread of this process."""

    def __init__(self, node: Any) -> None:
        self.node = node
        self._thread = threading.Thread(target=node.run, daemon=True)

    def __enter__(self) -> Any:
        self.node.__enter__()
        self._thread.start()
        return self.node

    def __exit__(self, *_: object) -> None:
        self.node.end()
        self._thread.join(30)
        self.node.__exit__(None, None, None)
