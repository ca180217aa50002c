"""All vessels of a head, drawn from one random generator in a fixed order."""

from __future__ import annotations

import numpy as np

from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.vessels.anomaly import grow_anomaly
from microbleeds.simulate.vessels.arteries import grow_arteries
from microbleeds.simulate.vessels.deep import grow_deep, grow_galen
from microbleeds.simulate.vessels.head import survey
from microbleeds.simulate.vessels.medullary import grow_medullary, grow_superficial
from microbleeds.simulate.vessels.perivascular import grow_perivascular
from microbleeds.simulate.vessels.pial import grow_pial
from microbleeds.simulate.vessels.settings import VesselSettings
from microbleeds.simulate.vessels.sinuses import grow_sinuses
from microbleeds.simulate.vessels.striate import grow_striate
from microbleeds.simulate.vessels.surface import surface_graph
from microbleeds.simulate.vessels.vessel import Vessel


def grow_vessels(
    anatomy: Anatomy, generator: np.random.Generator, settings: VesselSettings | None = None
) -> list[Vessel]:
    """Return veins, sinuses, arteries and perivascular spaces of a head in RAS mm.

    Args:
        anatomy: a labelled head, deformed or not.
        generator: the only source of chance; equal state gives equal vessels.
        settings: counts and calibres, by default those of :class:`VesselSettings`.
    """
    settings = settings or VesselSettings()
    head = survey(anatomy)
    galen = grow_galen(head, settings, generator)
    deep = grow_deep(head, galen, settings, generator)
    sinuses = grow_sinuses(head, galen.points_mm[-1], settings, generator)
    graph = surface_graph(head)
    return [
        galen,
        *deep,
        *sinuses.vessels(),
        *grow_pial(head, graph, sinuses, deep, settings, generator),
        *grow_medullary(head, settings, generator),
        *grow_superficial(head, settings, generator),
        *grow_striate(head, settings, generator),
        *grow_anomaly(head, settings, generator),
        *grow_arteries(head, graph, settings, generator),
        *grow_perivascular(head, settings, generator),
    ]
