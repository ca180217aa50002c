"""`microbleeds schema`: the JSON Schema of findings.json."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def schema(
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of the screen.")] = None,
) -> None:
    """Show the JSON Schema of findings.json."""
    from microbleeds.atomic import atomic_file
    from microbleeds.report.record import schema_json

    if out is None:
        typer.echo(schema_json(), nl=False)
    else:
        with atomic_file(out) as partial:
            partial.write_text(schema_json(), encoding="utf-8")
