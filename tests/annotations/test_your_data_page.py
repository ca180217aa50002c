"""docs/your-data.md names every key of labels.json, and the room stays light."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from microbleeds.annotations.statement import Statement

PAGE = Path(__file__).parents[2] / "docs" / "your-data.md"


def test_every_key_is_documented():
    section = PAGE.read_text(encoding="utf-8").split("## labels.json")[1].split("\n## ")[0]
    first_cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", " ".join(first_cells))) == sorted(Statement.model_fields)


def test_examples_are_valid():
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\n(\{.*?\})\n```", text, re.DOTALL | re.MULTILINE)
    inline = re.findall(r'`(\{"(?:units|without_labels)[^`]*\})`', text)
    assert len(blocks) >= 2
    assert inline
    for example in blocks + inline:
        Statement.model_validate(json.loads(example))


def test_torch_is_not_needed():
    code = (
        "import sys, microbleeds.annotations, microbleeds.annotations.together; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
