"""`microbleeds schema`: the JSON Schema of findings.json or comparison.json."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class What(str, Enum):
    """Files with a schema."""

    FINDINGS = "findings"
    COMPARISON = "comparison"


def schema(
    what: Annotated[What, typer.Argument(help="Of findings.json or of comparison.json.")] = What.FINDINGS,
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of the screen.")] = None,
) -> None:
    """Show the JSON Schema of findings.json or comparison.json."""
    from microbleeds.atomic import atomic_file

    text = _schema_of(what)
    if out is None:
        typer.echo(text, nl=False)
    else:
        with atomic_file(out) as partial:
            partial.write_text(text, encoding="utf-8")


def _schema_of(what: What) -> str:
    """Return the schema as text."""
    if what is What.COMPARISON:
        from microbleeds.followup.record import comparison_schema_json

        return comparison_schema_json()
    from microbleeds.report.record import schema_json

    return schema_json()
