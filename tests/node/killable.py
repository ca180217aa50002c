"""A node in a process of its own, made to be killed: ``killable.py SETTINGS.json [hang]``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from little_study import stand_in

from microbleeds.node.config import Config
from microbleeds.node.serve import Node, discreet_logging
from microbleeds.node.work import Outcome


def process(images: Path, out: Path) -> Outcome:
    begun = out.parent.parent / "begun"
    if "hang" in sys.argv:
        out.mkdir(parents=True)
        (out / "half").write_text("half a result", encoding="utf-8")
        begun.touch()
        time.sleep(600)
    return stand_in(images, out)


if __name__ == "__main__":
    discreet_logging()
    config = Config.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with Node(config, process) as node:
        node.run()
