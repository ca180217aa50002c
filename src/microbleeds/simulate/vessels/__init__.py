"""Vessels of a head as tubes in RAS mm, and their volume fraction on any grid."""

from microbleeds.simulate.vessels.grow import grow_vessels
from microbleeds.simulate.vessels.settings import VesselSettings
from microbleeds.simulate.vessels.splat import splat
from microbleeds.simulate.vessels.vessel import SINUS_KINDS, Vessel, is_venous

__all__ = ["SINUS_KINDS", "Vessel", "VesselSettings", "grow_vessels", "is_venous", "splat"]
