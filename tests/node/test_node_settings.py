"""Settings from a file and from flags, and what is wrong with them in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from microbleeds.cli.app import app
from microbleeds.errors import InputError
from microbleeds.node.config import parse_destination, read_config
from microbleeds.node.queue import Queue

GOOD = """
folder = "spool"
callers = ["SCANNER", "PACS"]
quiet_seconds = 5

[[destinations]]
ae_title = "PACS"
host = "pacs.example"
port = 104
tls = true

[tls]
certificate = "node.pem"
key = "/etc/node.key"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(GOOD, encoding="utf-8")
    return path


class TestFile:
    def test_read_with_paths_beside_it(self, file: Path):
        config = read_config(file, {})
        assert config.folder == file.parent.resolve() / "spool"
        assert config.callers == ("SCANNER", "PACS")
        assert config.destinations[0].host == "pacs.example"
        assert config.tls is not None
        assert config.tls.certificate == file.parent.resolve() / "node.pem"
        assert config.tls.key == Path("/etc/node.key")
        assert (config.ae_title, config.port) == ("MICROBLEEDS", 11112)

    def test_flags_win(self, file: Path):
        destination = parse_destination("OTHER@[::1]:11113")
        config = read_config(file, {"port": 4242, "destinations": (destination,), "callers": (), "ae_title": None})
        assert config.port == 4242
        assert (config.destinations[0].host, config.destinations[0].port) == ("[::1]", 11113)
        assert config.callers == ("SCANNER", "PACS")

    @pytest.mark.parametrize(
        ("old", "new", "sentence"),
        [
            ('callers = ["SCANNER", "PACS"]', "callers = []", "callers"),
            ('"SCANNER", ', '"A TITLE THAT IS TOO LONG", ', "callers"),
            ("port = 104", "port = 0", "port"),
            ("quiet_seconds = 5", "quite_seconds = 5", "quite_seconds"),
            ("[tls]", "[tsl]", "tsl"),
            ("quiet_seconds = 5", "quiet_seconds =", "no TOML"),
        ],
    )
    def test_mistakes_are_named(self, file: Path, old: str, new: str, sentence: str):
        file.write_text(GOOD.replace(old, new), encoding="utf-8")
        with pytest.raises(InputError, match=sentence):
            read_config(file, {})

    def test_a_missing_file(self, tmp_path: Path):
        with pytest.raises(InputError, match="can't be read"):
            read_config(tmp_path / "none.toml", {})

    @pytest.mark.parametrize("text", ["PACS", "PACS@host", "host:104", "PACS@host:many", "PACS@host:0"])
    def test_bad_destinations(self, text: str):
        with pytest.raises(InputError, match="AE@HOST:PORT"):
            parse_destination(text)


class TestCommandLine:
    def flags(self, folder: Path) -> list[str]:
        return ["node", "--folder", str(folder), "--caller", "A", "--destination", "PACS@localhost:104"]

    def test_status_shows_the_queue(self, tmp_path: Path):
        tmp_path.joinpath("spool").mkdir()
        queue = Queue(tmp_path / "spool" / "queue.sqlite")
        queue.received("abc123", "1.2.3", "1.2.3.1")
        queue.fail("abc123", "No SWI was found.")
        queue.close()
        done = CliRunner().invoke(
            app, [*self.flags(tmp_path / "spool"), "--status"], env={"COLUMNS": "160"}, catch_exceptions=False
        )
        assert "abc123" in done.output
        assert "failed" in done.output
        assert "No SWI was found." in done.output

    def test_status_without_a_queue(self, tmp_path: Path):
        with pytest.raises(InputError, match="no queue yet"):
            CliRunner().invoke(app, [*self.flags(tmp_path), "--status"], catch_exceptions=False)
