"""The training loop, plain, on Lightning Fabric (device, precision, several processes).

A run is a function of its seed: the batch of a step depends on seed and step alone, so that a run that was
killed and resumed gives the same weights as one that was not (on the same machine, without a time limit).
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import microbleeds
from microbleeds.compute import Compute, choose
from microbleeds.detect import DetectSettings
from microbleeds.errors import InputError
from microbleeds.networks.detector import Detector
from microbleeds.training.batches import Batch, SubjectSource, batches
from microbleeds.training.calibrate import fit_calibration, operating_points
from microbleeds.training.checkpoint import State, load_checkpoint, save_checkpoint
from microbleeds.training.crops import Points
from microbleeds.training.mining import mine
from microbleeds.training.objective import Objective, WeightAverage
from microbleeds.training.presets import OptimiserSettings, Preset
from microbleeds.training.schedule import progress, rate_factor
from microbleeds.training.scoring import curve_of, score_subjects, summary
from microbleeds.training.subjects import TrainingSubject
from microbleeds.training.trace import PrototypeWatch, Trace
from microbleeds.weights.card import Card, TrainingDescription
from microbleeds.weights.store import load_detector, save_weights
