"""Each benchmark that a document names exists, with its verb and its options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK, SPAN = re.compile(r"```.*?```", re.DOTALL), re.compile(r"`([^`]+)`")
COMMAND = re.compile(r"(?:python )?benchmarks/\w+\.py.*")


def documented() -> list[tuple[str, str]]:
    """Return (document, command) of what stands in code spans, which a line may break, or in code blocks."""
    found = []
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        spans = [span.replace("\n", " ") for span in SPAN.findall(BLOCK.sub("", text))]
        lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
        found += [(path.name, match.group(0)) for said in (*spans, *lines) for match in COMMAND.finditer(said)]
    return found


def test_commands_are_found_whole() -> None:
    said = [line for _, line in documented()]
    assert any("preset_cost.py measure" in line and "--cache" in line for line in said), "a line breaks it"
    assert any(line.startswith("python benchmarks/speed.py --anatomy") for line in said)


def alone(main: Callable[..., None]) -> typer.Typer:
    """What `typer.run` makes of a function."""
    app = typer.Typer()
    app.command()(main)
    return app


@pytest.mark.parametrize(("document", "line"), documented())
def test_exists(document: str, line: str) -> None:
    script, *words = shlex.split(line.removeprefix("python "), comments=True)
    assert (ROOT / script).exists(), f"{document}: {line}"
    module = import_module(Path(script).stem)
    if not words or words[0].isupper():
        return
    command = typer.main.get_command(getattr(module, "app", None) or alone(module.main))
    if hasattr(command, "commands") and not words[0].startswith("-"):
        verb = words.pop(0)
        assert verb in command.commands, f"{document}: {line}"
        command = command.commands[verb]
    known = {option for p in command.params for option in (*p.opts, *p.secondary_opts)}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in known, f"{document}: {line}"
