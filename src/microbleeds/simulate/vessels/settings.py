"""How many vessels of each kind a head has, and how wide they are.

Counts and calibres follow magnetic-resonance venography: deep medullary veins of about 0.2-0.3 mm (here
drawn wider, since thinner ones leave no trace at 0.5 x 0.5 x 2 mm), internal cerebral veins of about 1-2 mm,
sinuses of 4-8 mm. Pairs are ranges, drawn evenly; ``sigma_ln`` is the standard deviation of the natural
logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class VesselSettings:
    """Numbers that :func:`microbleeds.simulate.vessels.grow_vessels` draws from.

    Args:
        pial_seeds: ends of the pial tree over cerebrum, cerebellum and brainstem, in a head of 1.7 litres.
        pial_radius_mm: median radius at such an end.
        branching_exponent: Murray-type exponent: ``r_parent**e`` is the sum of ``r_child**e``.
        pial_cap_mm: largest radius of a cortical vein.
        bridging_veins: outlets into the superior sagittal sinus on each side.
        superficial_medullary_seeds: veins from the cerebral white matter out to the cortex.
        infratentorial_medullary_seeds: the same for cerebellum and brainstem.
        medullary_seeds: deep medullary veins before twins (both hemispheres together).
        twin_share: share of deep medullary veins with a parallel companion 1-2.5 mm away.
        striate_veins: vertical veins of striatum and thalamus (dots on axial slices).
        arterial_seeds: ends of the arterial tree.
        basal_spaces, centrum_spaces: perivascular spaces of the basal ganglia and the centrum semiovale.
        anomaly_probability: chance that a head has a developmental venous anomaly (about 3-5 % at autopsy;
            drawn a little more often so that it is learned).
    """

    pial_seeds: int = 2800
    pial_radius_mm: float = 0.19
    pial_sigma_ln: float = 0.35
    branching_exponent: float = 2.6
    pial_cap_mm: float = 1.35
    bridging_veins: int = 13
    superficial_medullary_seeds: int = 900
    superficial_medullary_radius_mm: float = 0.16
    infratentorial_medullary_seeds: tuple[int, int] = (40, 90)
    medullary_seeds: tuple[int, int] = (110, 230)
    medullary_diameter_mm: float = 0.44
    medullary_sigma_ln: float = 0.35
    medullary_diameter_range_mm: Range = (0.2, 0.84)
    twin_share: float = 0.5
    striate_veins: tuple[int, int] = (14, 34)
    striate_radius_mm: Range = (0.14, 0.32)
    internal_cerebral_radius_mm: Range = (0.55, 0.95)
    galen_radius_mm: Range = (1.3, 2.2)
    rosenthal_radius_mm: Range = (0.5, 0.9)
    thalamostriate_radius_mm: Range = (0.24, 0.42)
    septal_radius_mm: Range = (0.25, 0.45)
    sagittal_sinus_radius_mm: Range = (1.2, 4.0)
    transverse_sinus_radius_mm: Range = (1.8, 3.6)
    arterial_seeds: int = 150
    basal_spaces: tuple[int, int] = (6, 50)
    centrum_spaces: tuple[int, int] = (10, 110)
    perivascular_radius_mm: Range = (0.2, 0.75)
    anomaly_probability: float = 0.1
