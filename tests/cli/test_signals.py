"""A process that is told to end cleans up and leaves with the signal's exit code."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import sys, time
from pathlib import Path
from microbleeds.atomic import atomic_folder
from microbleeds.cli.signals import end_cleanly
end_cleanly()
with atomic_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("half")
    print("begun", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_nothing_half_written_is_left(tmp_path: Path, name: str) -> None:
    number = getattr(signal, name)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(number)
        assert process.wait(timeout=30) == 128 + number
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such signals")
def test_what_is_ignored_stays_so(tmp_path: Path) -> None:
    """As ``nohup`` asks for."""
    script = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + SCRIPT
    command = [sys.executable, "-c", script, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert process.poll() is None
        process.kill()
