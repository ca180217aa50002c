"""Learning rate over a run whose length is set in steps, in minutes, or both."""

from __future__ import annotations

import math

from microbleeds.training.presets import OptimiserSettings


def progress(step: int, steps: int, elapsed_s: float, limit_s: float | None) -> float:
    """Share of the run that is done, 0..1: by steps or by the clock, whichever is further.

    So the rate falls to its end by the deadline even if steps turn out slower than planned. Where no time is left
    all is done; ``None`` is no limit.
    """
    by_steps = step / steps if steps else 1.0
    if limit_s is None:
        return min(1.0, by_steps)
    by_clock = elapsed_s / limit_s if limit_s > 0 else 1.0
    return min(1.0, max(by_steps, by_clock))


def rate_factor(done: float, step: int, settings: OptimiserSettings) -> float:
    """Factor on the peak rate at a share ``done`` of the run."""
    warmup = min(1.0, (step + 1) / settings.warmup_steps) if settings.warmup_steps else 1.0
    if settings.schedule == "step":
        return warmup * settings.step_factor ** math.floor(done / settings.step_share)
    return warmup * 0.5 * (1 + math.cos(math.pi * done))
