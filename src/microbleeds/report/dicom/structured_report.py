"""Comprehensive 3D SR by TID 1500: every finding that counts as a point in the patient, and the counts.

What stands in it, with highdicom's classes:
    * an image library with the images that were searched;
    * one measurement group (TID 1501) with the counts of the MARS groups and regions;
    * one planar ROI group (TID 1410) per finding: a point (SCOORD3D, LPS mm, the source's frame of reference),
      finding, finding site with side, score, diameter, MARS group and certainty, the reader's verdict;
    * qualitative evaluations in words: research use, reading, scale, meaning of the score, warnings.

Findings that were removed, by score, place or reader, aren't in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    Comprehensive3DSR,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    GraphicTypeValues3D,
    ImageContentItem,
    ImageRegion3D,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    TextContentItem,
    TrackingIdentifier,
    UIDRefContentItem,
)
from pydicom.sr.codedict import codes as public

from microbleeds import __version__
from microbleeds.errors import InputError
from microbleeds.report.dicom import codes
from microbleeds.report.dicom.identifiers import MANUFACTURER, MODEL_NAME, Stamp, tracking_id, unique
from microbleeds.report.dicom.reading import Reading
from microbleeds.report.dicom.source import Source
from microbleeds.report.dicom.statements import statements
from microbleeds.report.record import Finding, Record

_CONTAINS = RelationshipTypeValues.CONTAINS
_CONTEXT = RelationshipTypeValues.HAS_ACQ_CONTEXT


def structured_report(record: Record, source: Source, stamp: Stamp, reading: Reading) -> Comprehensive3DSR:
    """Build the report.

    Args:
        record: what was found; its kept findings go in.
        source: the images that were searched.
        stamp: identifiers and time.
        reading: the reader's verdicts; empty if nobody has read the result.

    Raises:
        InputError: if a finding counts in the record that the reader has rejected.
    """
    _refuse_rejected(record, reading)
    algorithm = _algorithm(record)
    groups: list[Any] = [_counts(record, stamp, reading, algorithm)]
    groups += [_finding(finding, source, stamp, reading, algorithm) for finding in record.kept]
    report = MeasurementReport(
        observation_context=_observers(record, reading),
        procedure_reported=codes.BRAIN_MRI,
        imaging_measurements=groups,
    )
    content = report[0].ContentSequence
    content.insert(len(content) - 1, _image_library(source))
    content.append(_words(record, reading))
    signed = reading.verifies(record)
    document = Comprehensive3DSR(
        evidence=list(source.headers),
        content=report,
        sop_instance_uid=stamp.uid("sr"),
        instance_number=1,
        is_complete=True,
        is_final=signed,
        is_verified=signed,
        verifying_observer_name=reading.reader if signed else None,
        verifying_organization=reading.organization if signed else None,
        series_description="Microbleeds: report",
        **stamp.series("sr"),
    )
    if signed:
        document.VerifyingObserverSequence[0].VerificationDateTime = reading.signed or stamp.created
    return document


def _refuse_rejected(record: Record, reading: Reading) -> None:
    rejected = [finding.id for finding in record.kept if reading.verdicts.get(finding.id) == "rejected"]
    if rejected:
        raise InputError(
            f"Finding {rejected[0]} was rejected by the reader but still counts in the result; "
            "let the counts follow the verdicts before writing the report."
        )


def _observers(record: Record, reading: Reading) -> ObservationContext:
    """Name the program, and the reader where there is one."""
    device = ObserverContext(
        observer_type=public.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=unique("device", __version__, record.model.sha256),
            name=MODEL_NAME,
            manufacturer_name=MANUFACTURER,
            model_name=f"{MODEL_NAME} {__version__}",
            serial_number=record.model.sha256[:16],
        ),
    )
    if not reading.reader:
        return ObservationContext(observer_device_context=device)
    person = ObserverContext(
        observer_type=public.DCM.Person,
        observer_identifying_attributes=PersonObserverIdentifyingAttributes(
            name=reading.reader, organization_name=reading.organization
        ),
    )
    return ObservationContext(observer_person_context=person, observer_device_context=device)


def _algorithm(record: Record) -> AlgorithmIdentification:
    """Name program, weights and operating point."""
    point = record.model.operating_point
    return AlgorithmIdentification(
        name=MODEL_NAME,
        version=record.program_version,
        manufacturer=MANUFACTURER,
        parameters=[
            f"weights={record.model.name}",
            f"weights_sha256={record.model.sha256}",
            f"operating_point={point.name}",
            f"cut={point.cut:g}",
            f"definite_cut={point.definite_cut:g}",
        ],
    )


def _finding(
    finding: Finding, source: Source, stamp: Stamp, reading: Reading, algorithm: AlgorithmIdentification
) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    """Describe one finding."""
    site = codes.site_of(finding.region, finding.side)
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=stamp.tracking_uid(finding), identifier=tracking_id(finding)),
        referenced_region=ImageRegion3D(
            graphic_type=GraphicTypeValues3D.POINT,
            graphic_data=np.array([finding.position_lps_mm], dtype=np.float64),
            frame_of_reference_uid=source.frame_of_reference_uid,
        ),
        finding_category=codes.ABNORMAL,
        finding_type=codes.MICROBLEED,
        finding_sites=[FindingSite(site.structure, site.side, site.modifier)],
        algorithm_id=None if reading.added(finding) else algorithm,
        measurements=_measurements(finding, reading),
        qualitative_evaluations=_evaluations(finding, reading),
    )


def _evaluations(finding: Finding, reading: Reading) -> list[QualitativeEvaluation]:
    """Return group, certainty, how far the place can be trusted, and the verdict."""
    verdict = reading.verdicts.get(finding.id)
    said = [
        (codes.GROUP, codes.GROUPS[finding.group]),
        (codes.CERTAINTY, codes.CERTAINTIES[finding.certainty]),
        (codes.READER_VERDICT, codes.READER_VERDICTS[verdict] if verdict else codes.NOT_REVIEWED),
    ]
    if finding.place_confidence is not None:
        said.append((codes.PLACE, codes.PLACES[finding.place_confidence]))
    return [QualitativeEvaluation(name, value) for name, value in said]


def _measurements(finding: Finding, reading: Reading) -> list[Measurement]:
    """Return the program's score, if it gave one, and the diameter, if it could be measured."""
    found = []
    if not reading.added(finding):
        score = round(100 * finding.score, 2)
        found.append(Measurement(codes.CERTAINTY_OF_FINDING, score, codes.PERCENT, method=codes.CALIBRATED))
    if finding.diameter_mm is not None:
        method = None if reading.added(finding) else codes.FULL_WIDTH
        found.append(Measurement(codes.DIAMETER, finding.diameter_mm, codes.MILLIMETRE, method=method))
    return found


def _counts(
    record: Record, stamp: Stamp, reading: Reading, algorithm: AlgorithmIdentification
) -> MeasurementsAndQualitativeEvaluations:
    """Describe the whole brain: how many, by group and by row of the scale."""
    counts = record.counts
    numbers = [(codes.NUMBER, counts.total)]
    if not record.places_unknown:  # zeros by place would look like a reading
        numbers += [(concept, getattr(counts, name)) for name, concept in codes.COUNTS.items()]
        numbers += [(_row_concept(row), number) for row, number in counts.regions.items()]
    evaluations = [QualitativeEvaluation(codes.READER_VERDICT, _overall(record, reading))]
    if counts.strictly_lobar is not None:
        answer = codes.YES if counts.strictly_lobar else codes.NO
        evaluations.append(QualitativeEvaluation(codes.STRICTLY_LOBAR, answer))
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=stamp.uid("counts"), identifier="Microbleed counts"),
        finding_type=codes.MICROBLEED,
        method=codes.MARS_SCALE,
        finding_sites=[FindingSite(codes.site_of(None, "none").structure)],
        algorithm_id=algorithm,
        measurements=[Measurement(concept, number, codes.NO_UNITS) for concept, number in numbers],
        qualitative_evaluations=evaluations,
    )


def _row_concept(row: str) -> CodedConcept:
    """Return the concept for the number on one row of the scale."""
    slug = {"deep and periventricular white matter": "deep-white"}.get(row, row.replace(" ", "-"))
    return codes.private(f"row-{slug}", f"Number, MARS region: {row}")


def _overall(record: Record, reading: Reading) -> CodedConcept:
    """Return whether the counts as a whole have been read."""
    if not reading.reader or reading.open_in(record):
        return codes.NOT_REVIEWED
    return codes.REVIEWED


def _image_library(source: Source) -> ContainerContentItem:
    """List the searched images (TID 1600); positions stand in the images themselves."""
    group = ContainerContentItem(name=public.DCM.ImageLibraryGroup, relationship_type=_CONTAINS)
    group.ContentSequence = ContentSequence(
        [
            CodeContentItem(public.DCM.Modality, codes.MR, _CONTEXT),
            UIDRefContentItem(public.DCM.FrameOfReferenceUID, source.frame_of_reference_uid, _CONTEXT),
        ]
    )
    for index, header in enumerate(source.headers):
        numbers = [frame.number for frame in source.frames if frame.header == index and frame.number is not None]
        group.ContentSequence.append(
            ImageContentItem(
                name=codes.SOURCE,
                referenced_sop_class_uid=header.SOPClassUID,
                referenced_sop_instance_uid=header.SOPInstanceUID,
                referenced_frame_numbers=numbers or None,
                relationship_type=_CONTAINS,
            )
        )
    library = ContainerContentItem(name=public.DCM.ImageLibrary, relationship_type=_CONTAINS, template_id="1600")
    library.ContentSequence = ContentSequence([group])
    return library


def _words(record: Record, reading: Reading) -> ContainerContentItem:
    """Say in words what codes and numbers can't."""
    container = ContainerContentItem(name=codes.QUALITATIVE, relationship_type=_CONTAINS)
    container.ContentSequence = ContentSequence(
        [TextContentItem(codes.COMMENT, sentence, _CONTAINS) for sentence in statements(record, reading)]
    )
    return container
