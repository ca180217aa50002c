"""`microbleeds info`: versions and shipped weights, without loading torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from typing import Annotated, Any

import typer


def info(
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON for other programs.")] = False,
) -> None:
    """Show versions, shipped weights and their scores."""
    facts = _facts()
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    typer.echo(f"microbleeds {facts['version']} (findings.json schema {facts['schema_version']})")
    typer.echo(facts["disclaimer"])
    for card in facts["weights"]:
        typer.echo(f"weights {card['name']} sha256 {card['sha256'][:12]}")
        for line in _thresholds(card):
            typer.echo(f"  {line}")
        for name, value in card.get("scores", {}).items():
            typer.echo(f"  {name}: {value:.3g}")
    typer.echo(", ".join(f"{name} {version}" for name, version in facts["packages"].items()))


def _thresholds(card: dict[str, Any]) -> Iterator[str]:
    """Say from which score on a detector reports a candidate."""
    without = card.get("without_phase") or {}
    for which, points in (
        (" with phase" if without else "", card.get("operating_points")),
        (" without phase", without.get("operating_points")),
    ):
        if points:
            yield (
                f"findings of a scan{which} count from a score of {points['balanced']:.3g} (balanced) or "
                f"{points['screening']:.3g} (screening)"
            )


def _facts() -> dict[str, Any]:
    """Collect what is shown."""
    from microbleeds import __version__
    from microbleeds.report.record import DISCLAIMER, SCHEMA_VERSION
    from microbleeds.report.run_record import package_versions

    shipped = resources.files("microbleeds") / "weights" / "shipped"
    files = list(shipped.iterdir()) if shipped.is_dir() else []
    cards = sorted((file for file in files if file.name.endswith(".json")), key=lambda file: file.name)
    return {
        "version": __version__,
        "schema_version": SCHEMA_VERSION,
        "disclaimer": DISCLAIMER,
        "weights": [json.loads(card.read_text(encoding="utf-8")) for card in cards],
        "packages": package_versions(),
    }
