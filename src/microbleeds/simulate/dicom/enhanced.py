"""Enhanced multi-frame files: one file holds a whole series, its frames described by functional groups.

What frames share (orientation, pixel spacing, timing) stands once; place, echo and kind stand with each frame.
Attributes follow Enhanced MR Image IOD (DICOM PS3.3 A.36.2); ``dciodvfy`` finds no error in them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage

from microbleeds.simulate.dicom.conventions import Layer, Series
from microbleeds.simulate.dicom.header import (
    decimal,
    file_dataset,
    orientation,
    pixel_spacing,
    position,
    save,
    set_pixels,
    uid,
)
from microbleeds.simulate.dicom.images import SubjectImages

_MOMENT = "20240102101500"


def write_enhanced(folder: Path, images: SubjectImages, series: Series, convention: str) -> None:
    """Write a series as one multi-frame file, ``IM00001.dcm``; layers follow each other."""
    dataset = file_dataset(images, series, EnhancedMRImageStorage, convention, "multi-frame")
    slices = images.grid.shape[2]
    _describe(dataset, images, series)
    _dimensions(dataset, images, series, convention)
    dataset.NumberOfFrames = slices * len(series.layers)
    dataset.SharedFunctionalGroupsSequence = Sequence([_shared(images, series)])
    several = len(series.layers) > 1
    frames = [
        (layer, (1, k + 1, part) if several else (1, k + 1))
        for part, layer in enumerate(series.layers, start=1)
        for k in range(slices)
    ]
    dataset.PerFrameFunctionalGroupsSequence = Sequence([_frame(images, *frame) for frame in frames])
    set_pixels(
        dataset, series.layers, np.concatenate([layer.stored.transpose(2, 1, 0) for layer in series.layers])
    )
    save(dataset, folder / "IM00001.dcm")


def _dataset(**values: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def _sequence(**values: object) -> Sequence:
    return Sequence([_dataset(**values)])


def _code(value: str, scheme: str, meaning: str) -> Sequence:
    return _sequence(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _component_of(series: Series) -> str:
    components = {layer.component for layer in series.layers}
    return components.pop() if len(components) == 1 else "MIXED"


def _original(series: Series) -> bool:
    return series.layers[0].image_type[0] == "ORIGINAL"


def _describe(dataset: Dataset, images: SubjectImages, series: Series) -> None:
    """Modules Enhanced MR Image, MR Pulse Sequence and Acquisition Context."""
    first = series.layers[0].image_type
    dataset.ImageType = [first[0], "PRIMARY", "OTHER", "NONE"]
    dataset.PixelPresentation, dataset.VolumetricProperties = "MONOCHROME", "VOLUME"
    dataset.VolumeBasedCalculationTechnique = "NONE"
    dataset.ComplexImageComponent = _component_of(series)
    dataset.AcquisitionContrast = "T2_STAR"
    dataset.ContentQualification = "RESEARCH"
    dataset.BurnedInAnnotation, dataset.LossyImageCompression = "NO", "00"
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.AcquisitionNumber, dataset.AcquisitionDateTime, dataset.AcquisitionDuration = 1, _MOMENT, 300.0
    dataset.ApplicableSafetyStandardAgency = "IEC"
    if _original(series):
        _pulse_sequence(dataset, images, series)
    dataset.AcquisitionContextSequence = Sequence()


def _pulse_sequence(dataset: Dataset, images: SubjectImages, series: Series) -> None:
    """Attributes that original images must have and derived ones must not."""
    dataset.ResonantNucleus, dataset.KSpaceFiltering = "1H", "NONE"
    dataset.PulseSequenceName = series.sequence_name
    dataset.MRAcquisitionType = "2D" if images.two_dimensional else "3D"
    dataset.EchoPulseSequence, dataset.MultiPlanarExcitation = "GRADIENT", "NO"
    dataset.PhaseContrast, dataset.TimeOfFlightContrast = "NO", "NO"
    dataset.SteadyStatePulseSequence, dataset.EchoPlanarPulseSequence = "NONE", "NO"
    dataset.SaturationRecovery, dataset.SpectrallySelectedSuppression = "NO", "NONE"
    dataset.OversamplingPhase, dataset.GeometryOfKSpaceTraversal = "NONE", "RECTILINEAR"
    dataset.RectilinearPhaseEncodeReordering, dataset.SegmentedKSpaceTraversal = "LINEAR", "SINGLE"
    dataset.CoverageOfKSpace, dataset.NumberOfKSpaceTrajectories = "FULL", 1


def _dimensions(dataset: Dataset, images: SubjectImages, series: Series, convention: str) -> None:
    """Frames are indexed by stack, by place in it, and by kind where there are several."""
    organisation = uid(images.subject, convention, series.number, "dimensions")
    pointers = [(0x00209056, 0x00209111), (0x00209057, 0x00209111)]
    if len(series.layers) > 1:
        pointers.append((0x00089208, 0x00189226))
    dataset.DimensionOrganizationSequence = _sequence(DimensionOrganizationUID=organisation)
    dataset.DimensionIndexSequence = Sequence(
        [
            _dataset(
                DimensionOrganizationUID=organisation,
                DimensionIndexPointer=pointer,
                FunctionalGroupPointer=group,
            )
            for pointer, group in pointers
        ]
    )
    dataset.InstanceNumber = 1


def _shared(images: SubjectImages, series: Series) -> Dataset:
    grid = images.grid
    shared = _dataset(
        PixelMeasuresSequence=_sequence(
            PixelSpacing=pixel_spacing(grid),
            SliceThickness=decimal(images.slice_thickness_mm),
            SpacingBetweenSlices=decimal(grid.spacing_mm[2]),
        ),
        PlaneOrientationSequence=_sequence(ImageOrientationPatient=orientation(grid)),
        FrameAnatomySequence=_sequence(
            FrameLaterality="U", AnatomicRegionSequence=_code("12738006", "SCT", "Brain")
        ),
    )
    if _original(series):
        for keyword, value in _acquisition(images).items():
            setattr(shared, keyword, value)
    return shared


def _acquisition(images: SubjectImages) -> dict[str, Sequence]:
    """Functional groups that original images must have."""
    columns, rows = images.grid.shape[:2]
    return {
        "MRTimingAndRelatedParametersSequence": _sequence(
            RepetitionTime=decimal(images.repetition_time_ms),
            FlipAngle=decimal(images.flip_angle_deg),
            EchoTrainLength=1,
            RFEchoTrainLength=0,
            GradientEchoTrainLength=1,
            SpecificAbsorptionRateSequence=_sequence(
                SpecificAbsorptionRateDefinition="IEC_HEAD", SpecificAbsorptionRateValue=0.1
            ),
            GradientOutputType="DB_DT",
            GradientOutput=1.0,
            OperatingModeSequence=_sequence(OperatingModeType="STATIC FIELD", OperatingMode="IEC_NORMAL"),
        ),
        "MRFOVGeometrySequence": _sequence(
            InPlanePhaseEncodingDirection="ROW",
            MRAcquisitionFrequencyEncodingSteps=rows,
            MRAcquisitionPhaseEncodingStepsInPlane=columns,
            MRAcquisitionPhaseEncodingStepsOutOfPlane=images.grid.shape[2],
            PercentSampling=decimal(100),
            PercentPhaseFieldOfView=decimal(100),
        ),
        "MRModifierSequence": _modifier(),
        "MRImagingModifierSequence": _imaging_modifier(images),
        "MRReceiveCoilSequence": _sequence(
            ReceiveCoilName="HEAD",
            ReceiveCoilManufacturerName="",
            ReceiveCoilType="MULTICOIL",
            QuadratureReceiveCoil="NO",
            MultiCoilDefinitionSequence=_sequence(MultiCoilElementName="H1", MultiCoilElementUsed="YES"),
        ),
        "MRTransmitCoilSequence": _sequence(
            TransmitCoilName="BODY", TransmitCoilManufacturerName="", TransmitCoilType="BODY"
        ),
        "MRAveragesSequence": _sequence(NumberOfAverages=decimal(1)),
    }


def _modifier() -> Sequence:
    return _sequence(
        InversionRecovery="NO",
        FlowCompensation="OTHER",
        FlowCompensationDirection="PHASE",
        Spoiling="RF",
        T2Preparation="NO",
        SpectrallySelectedExcitation="NONE",
        SpatialPresaturation="NONE",
        PartialFourier="NO",
        ParallelAcquisition="NO",
    )


def _imaging_modifier(images: SubjectImages) -> Sequence:
    return _sequence(
        MagnetizationTransfer="NONE",
        BloodSignalNulling="NO",
        Tagging="NONE",
        TransmitterFrequency=42.577 * images.field_strength_t,
        PixelBandwidth=decimal(120),
    )


def _frame(images: SubjectImages, layer: Layer, index: tuple[int, ...]) -> Dataset:
    """One frame; ``index`` is stack, place in it counted from 1, and layer where there are several."""
    place = index[1]
    frame = _dataset(
        MRImageFrameTypeSequence=_sequence(
            FrameType=[layer.image_type[0], "PRIMARY", *layer.image_type[2:4]],
            PixelPresentation="MONOCHROME",
            VolumetricProperties="VOLUME",
            VolumeBasedCalculationTechnique="NONE",
            ComplexImageComponent=layer.component,
            AcquisitionContrast="T2_STAR",
        ),
        PlanePositionSequence=_sequence(ImagePositionPatient=position(images.grid, place - 1)),
        FrameContentSequence=_sequence(
            FrameAcquisitionNumber=1,
            FrameReferenceDateTime=_MOMENT,
            FrameAcquisitionDateTime=_MOMENT,
            FrameAcquisitionDuration=300000.0,
            StackID="1",
            InStackPositionNumber=place,
            DimensionIndexValues=list(index),
        ),
        MREchoSequence=_sequence(EffectiveEchoTime=images.echo_time_ms),
        PixelValueTransformationSequence=_transformation(layer),
    )
    if layer.real_world_milliradians:
        frame.RealWorldValueMappingSequence = _real_world(layer)
    if layer.philips_scale_slope is not None:
        _add_scale_slope(frame, layer.philips_scale_slope)
    return frame


def _transformation(layer: Layer) -> Sequence:
    slope, intercept, kind = layer.rescale or (1.0, 0.0, "US")
    return _sequence(RescaleSlope=decimal(slope), RescaleIntercept=decimal(intercept), RescaleType=kind)


def _real_world(layer: Layer) -> Sequence:
    slope, intercept, _ = layer.rescale or (1.0, 0.0, "")
    return _sequence(
        RealWorldValueFirstValueMapped=0,
        RealWorldValueLastValueMapped=4095,
        RealWorldValueSlope=slope,
        RealWorldValueIntercept=intercept,
        LUTExplanation="phase",
        LUTLabel="Philips",
        MeasurementUnitsCodeSequence=_code("mrad", "UCUM", "milliradian"),
    )


def _add_scale_slope(frame: Dataset, slope: float) -> None:
    """Philips nests what its single-frame files hold at the top in a private sequence of each frame."""
    nested = Dataset()
    nested.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", slope)
    block = frame.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
    block.add_new(0x0F, "SQ", Sequence([nested]))
