"""Values of DICOM elements, or nothing where an element is absent or damaged.

pydicom converts an element when it is looked at and raises nearly anything if its bytes make no sense (ValueError,
struct.error, NotImplementedError, LookupError for a character set, ...), so each accessor here catches every
Exception and answers as if the element were absent: the caller decides whether that matters.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from typing import Any

from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

# Longer texts than this are no name, label or identifier.
_LONGEST_TEXT = 256


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom's warnings from every stream and log: they quote values, such as a patient's name."""
    logger = logging.getLogger("pydicom")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Return the values of an element as stripped text."""
    value = _value(dataset, keyword)
    if value is None:
        return ()
    values = value if isinstance(value, MultiValue | list | tuple) else [value]
    return tuple(str(v).replace("\0", "").strip()[:_LONGEST_TEXT] for v in values)


def text(dataset: Dataset, keyword: str) -> str:
    """Return the values of an element as one text; empty if there is none."""
    return " ".join(part for part in texts(dataset, keyword) if part)


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Return exactly ``count`` finite numbers."""
    values = texts(dataset, keyword)
    if len(values) != count:
        return None
    try:
        found = tuple(float(value) for value in values)
    except ValueError:
        return None
    return found if all(isfinite(value) and abs(value) < 1e12 for value in found) else None


def number(dataset: Dataset, keyword: str) -> float | None:
    """Return one finite number; the first of several."""
    values = texts(dataset, keyword)[:1]
    try:
        found = float(values[0]) if values else None
    except ValueError:
        return None
    return found if found is not None and isfinite(found) and abs(found) < 1e12 else None


def integer(dataset: Dataset, keyword: str) -> int | None:
    """Return one whole number."""
    found = number(dataset, keyword)
    return int(found) if found is not None and found == int(found) else None


def items(dataset: Dataset | None, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; none if it is absent or damaged."""
    value = None if dataset is None else _value(dataset, keyword)
    return list(value) if isinstance(value, Sequence) else []


def item(dataset: Dataset | None, keyword: str) -> Dataset:
    """Return the first item of a sequence; an empty data set if there is none."""
    return next(iter(items(dataset, keyword)), Dataset())


def private_number(dataset: Dataset, group: int, element: int, creator: str) -> float | None:
    """Return one number of a private block, wherever its creator has reserved it."""
    try:
        value = dataset.private_block(group, creator)[element].value
        if isinstance(value, bytes):
            # Files that passed through an archive without the vendor's dictionary carry VR UN.
            value = value.decode("ascii").strip("\0 ") if len(value) != 2 else int.from_bytes(value, "little")
        if isinstance(value, MultiValue):
            value = value[0]
        found = float(value)
    except Exception:
        return None
    return found if isfinite(found) else None


def _value(dataset: Dataset, keyword: str) -> Any:
    try:
        return dataset.get(keyword)
    except Exception:
        return None
