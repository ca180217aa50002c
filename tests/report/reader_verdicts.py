"""Verdicts as the review page exports them, to be changed by a test."""

from __future__ import annotations

from typing import Any

HASH = "ab" * 32
AT = "2026-03-01T10:00:00.000Z"


def verdict(finding: int, decision: str, **more: Any) -> dict[str, Any]:
    return {"finding": finding, "verdict": decision, "at": AT, "unaided": False, "note": "", **more}


def addition(**more: Any) -> dict[str, Any]:
    return {
        "position_ras_mm": [-20.0, -20.0, 6.0],
        "region": "occipital_white",
        "side": "left",
        "certainty": "possible",
        "diameter_mm": None,
        "at": AT,
        "unaided": True,
        "note": "",
        **more,
    }


def placement(finding: int, region: str | None, side: str) -> dict[str, Any]:
    return {"finding": finding, "region": region, "side": side, "at": AT}


def content(verdicts: list | None = None, added: list | None = None, **more: Any) -> dict[str, Any]:
    return {
        "schema_version": "1.1.0",
        "program_version": "0.1.0",
        "findings_sha256": HASH,
        "reader": "Dr A. Reader",
        "started": AT,
        "exported": "2026-03-01T10:20:00.000Z",
        "unaided": None,
        "verdicts": verdicts or [],
        "places": [],
        "added": added or [],
        **more,
    }
