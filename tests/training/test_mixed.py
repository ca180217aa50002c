from __future__ import annotations

import numpy as np
import torch
from toy_subjects import toy_preset, toy_subject

from microbleeds.training.batches import FixedSubjects, MixedSubjects, batches, make_batch

OWN, SIMULATED = [toy_subject(n) for n in range(2)], [toy_subject(n) for n in range(5, 9)]


def test_crops_come_from_both_by_the_share() -> None:
    source = MixedSubjects(OWN, SIMULATED, 0.25)
    generator = np.random.default_rng(0)
    drawn = [source.drawn(generator)[0].name for _ in range(2000)]
    assert 0.22 < np.mean([name == SIMULATED[0].name for name in drawn]) < 0.28
    assert len(source.subjects()) == 6
    assert len(source.own) == 2


def test_batches_are_mixed_and_a_plain_source_is_as_before() -> None:
    preset = toy_preset()
    (mixed,) = batches(MixedSubjects(OWN, SIMULATED, 0.999999), {}, preset, range(3, 4), seed=1, workers=0)
    (plain,) = batches(FixedSubjects(OWN), {}, preset, range(3, 4), seed=1, workers=0)
    again = make_batch(OWN, {}, preset, (1, 3, 0))
    assert torch.equal(plain.image, again.image)
    assert not torch.equal(mixed.image, plain.image)
