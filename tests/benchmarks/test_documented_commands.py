"""Each benchmark that a document names exists, with its verb and its options."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
COMMAND = re.compile(r"(?:python )?benchmarks/\w+\.py[^`\n]*")


def documented() -> list[tuple[str, str]]:
    """Return (document, command) of what stands in code spans or code blocks."""
    found = []
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        found += [(path.name, match.group(0)) for match in COMMAND.finditer(text)]
    return found


@pytest.mark.parametrize(("document", "line"), documented())
def test_exists(document: str, line: str) -> None:
    script, *words = shlex.split(line.removeprefix("python "), comments=True)
    assert (ROOT / script).exists(), f"{document}: {line}"
    module = import_module(Path(script).stem)
    if not words or words[0].isupper() or not hasattr(module, "app"):
        return
    command = typer.main.get_command(module.app)
    if hasattr(command, "commands") and not words[0].startswith("-"):
        verb = words.pop(0)
        assert verb in command.commands, f"{document}: {line}"
        command = command.commands[verb]
    known = {option for p in command.params for option in (*p.opts, *p.secondary_opts)}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in known, f"{document}: {line}"
