"""A process that is told to end cleans up and leaves with the signal's exit code."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import signal, sys, time
from pathlib import Path
from microbleeds.atomic import atomic_folder
from microbleeds.cli.signals import end_cleanly
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
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
def test_a_second_signal_does_not_interrupt_the_cleaning_up(tmp_path: Path) -> None:
    slow = SCRIPT.replace(
        "end_cleanly()",
        "import shutil\nremove = shutil.rmtree\n"
        "shutil.rmtree = lambda *a, **k: (print('ending', flush=True), time.sleep(0.5), remove(*a, **k))\n"
        "end_cleanly()",
        1,
    )
    command = [sys.executable, "-c", slow, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline() == "ending\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 128 + signal.SIGHUP
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such signals")
def test_what_is_ignored_stays_so(tmp_path: Path) -> None:
    """As ``nohup`` asks for."""
    script = SCRIPT.replace("SIG_DFL", "SIG_IGN")
    command = [sys.executable, "-c", script, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert process.poll() is None
        process.kill()
