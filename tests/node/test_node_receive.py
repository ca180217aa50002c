"""Receiving: who may send, what is kept, what is refused, and what nobody may read in the log."""

from __future__ import annotations

import logging
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from little_study import NAME, PATIENT_ID, SECRETS, Archive, Running, echo, image, send, stand_in, study, wait_for
from pydicom.uid import EnhancedMRColorImageStorage, SecondaryCaptureImageStorage

from microbleeds.errors import InputError
from microbleeds.node.config import Config
from microbleeds.node.discretion import cleared, token_of
from microbleeds.node.queue import Queue
from microbleeds.node.serve import Node
from microbleeds.node.work import Outcome

Settings = Callable[..., Config]
REFUSED = 0xA700


def kept(config: Config) -> list[Path]:
    return sorted((config.folder / "images").glob("*/*.dcm"))


class TestCallers:
    def test_only_listed_callers_and_the_own_title(self, settings: Settings, archive: Archive):
        config = settings(archive.port)
        with Running(Node(config, stand_in)):
            assert echo(config.port)
            assert not echo(config.port, caller="STRANGER")
            assert not echo(config.port, called="SOMEBODY")
            assert send(config.port, study(), caller="STRANGER") == []
            assert kept(config) == []

    def test_no_callers_is_no_setting(self, settings: Settings, archive: Archive):
        with pytest.raises(ValueError, match="callers"):
            settings(archive.port, callers=[])

    def test_a_taken_port_is_a_sentence(self, settings: Settings, archive: Archive):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            config = settings(archive.port, port=taken.getsockname()[1])
            with pytest.raises(InputError, match="can't listen at 127"), Node(config, stand_in):
                pass


class TestImages:
    def test_a_study_goes_all_the_way(self, settings: Settings, archive: Archive):
        config = settings(archive.port)
        with Running(Node(config, stand_in)) as node:
            assert send(config.port, study()) == [0, 0, 0]
            wait_for(lambda: [s.state for s in node.queue.studies()] == ["done"])
        assert len(archive.stored) == 3
        (entry,) = (token_of("1.2.826.77.1"),)
        assert {path.parent.name for path in kept(config)} == {entry}

    def test_the_same_study_again_changes_nothing(self, settings: Settings, archive: Archive):
        config = settings(archive.port)
        with Running(Node(config, stand_in)) as node:
            for _ in range(2):
                assert send(config.port, study()) == [0, 0, 0]
                wait_for(lambda: [s.state for s in node.queue.studies()] == ["done"])
            assert [s.attempts for s in node.queue.studies()] == [1]
        assert set(archive.stored.values()) == {1}

    def test_a_study_that_was_filed_anew_is_searched_under_its_new_uid(self, settings: Settings, archive: Archive):
        """The archive corrected the UID of the study and kept those of its images."""
        config = settings(archive.port)
        anew = study()
        for one in anew:
            one.StudyInstanceUID = "1.2.826.77.5"
        with Running(Node(config, stand_in)) as node:
            assert send(config.port, study()) == [0, 0, 0]
            wait_for(lambda: [s.state for s in node.queue.studies()] == ["done"])
            assert send(config.port, anew) == [0, 0, 0]
            wait_for(lambda: [s.state for s in node.queue.studies()] == ["done"] * 2)
            assert [s.images for s in node.queue.studies()] == [3, 3]
        assert {path.parent.name for path in kept(config)} == {token_of("1.2.826.77.1"), token_of("1.2.826.77.5")}

    def test_the_queue_of_an_earlier_version_goes_on(self, tmp_path: Path):
        """There an image was of one study alone."""
        Queue(tmp_path / "queue.sqlite").close()
        with closing(sqlite3.connect(tmp_path / "queue.sqlite")) as old:
            old.executescript(
                "DROP TABLE image; CREATE TABLE image (uid TEXT PRIMARY KEY, "
                "token TEXT NOT NULL REFERENCES study (token) ON DELETE CASCADE);"
                "CREATE INDEX image_of_study ON image (token);"
                "INSERT INTO study (token, uid, state, changed) VALUES ('a', '1.2', 'done', 5);"
                "INSERT INTO image VALUES ('1.2.1', 'a')"
            )
        for _ in range(2):
            queue = Queue(tmp_path / "queue.sqlite")
            assert (queue.knows("a", "1.2.1"), queue.knows("b", "1.2.1")) == (True, False)
            queue.close()
        queue = Queue(tmp_path / "queue.sqlite")
        queue.received("b", "1.3", "1.2.1")
        assert {entry.token: entry.images for entry in queue.studies()} == {"a": 1, "b": 1}
        queue.forget("a", -1, lambda token: None)
        assert (queue.knows("a", "1.2.1"), queue.knows("b", "1.2.1")) == (False, True)
        queue.close()

    @pytest.mark.parametrize("sop_class", [SecondaryCaptureImageStorage, EnhancedMRColorImageStorage])
    def test_what_is_not_searched_is_accepted_and_not_kept(
        self, settings: Settings, archive: Archive, sop_class: str
    ):
        config = settings(archive.port)
        with Running(Node(config, stand_in)) as node:
            assert send(config.port, [image(9, sop_class=sop_class)]) == [0]
            assert node.queue.studies() == []
        assert kept(config) == []

    def test_no_half_files_stay(self, settings: Settings, archive: Archive):
        config = settings(archive.port)
        (config.folder / "images").mkdir(parents=True)
        partial = config.folder / "images" / ".partial-left-behind"
        partial.write_bytes(b"half")
        with Running(Node(config, stand_in)):
            assert not partial.exists()


class TestLimits:
    @pytest.mark.parametrize(
        "limit", [{"most_gigabytes": 1e-7}, {"most_megabytes_per_image": 1e-4}, {"least_free_gigabytes": 1e9}]
    )
    def test_beyond_a_limit_the_sender_is_told(self, settings: Settings, archive: Archive, limit: dict):
        config = settings(archive.port, **limit)
        with Running(Node(config, stand_in)) as node:
            assert set(send(config.port, study())) == {REFUSED}
            assert node.queue.studies() == []
        assert kept(config) == []

    def test_finished_studies_leave_the_disk(self, settings: Settings, archive: Archive):
        config = settings(archive.port, keep_hours=0)
        with Running(Node(config, stand_in)) as node:
            send(config.port, study())
            wait_for(lambda: archive.stored and not node.queue.studies())
        assert kept(config) == []
        assert list((config.folder / "results").iterdir()) == []


class TestDiscretion:
    def test_the_log_names_nobody(self, settings: Settings, archive: Archive, caplog: pytest.LogCaptureFixture):
        """Not even when the detector's error quotes the header."""

        def fails(images: Path, out: Path) -> Outcome:
            raise InputError(f"{images} holds {NAME.upper()} ({PATIENT_ID}), born 19480229, not an SWI.")

        config = settings(archive.port)
        with caplog.at_level(logging.INFO, "microbleeds"), Running(Node(config, fails)) as node:
            send(config.port, study())
            wait_for(lambda: [s.state for s in node.queue.studies()] == ["failed"])
            (entry,) = node.queue.studies()
        said = " ".join(r.getMessage() for r in caplog.records if r.name.startswith("microbleeds"))
        assert "not an SWI" in said
        assert entry.sentence is not None
        for secret in (*SECRETS, *(s.upper() for s in SECRETS), str(config.folder)):
            assert secret not in said
            assert secret not in entry.sentence

    def test_sentences_are_cleared_of_every_part_of_a_name(self, tmp_path: Path):
        image(1).save_as(tmp_path / "1.dcm", enforce_file_format=True)
        sentence = f"kyriaki PAPADOPOULOU in {tmp_path}/1.dcm, study 1.2.826.77.1"
        assert cleared(sentence, tmp_path) == "… … in …/1.dcm, study …"

    def test_names_of_two_letters(self, tmp_path: Path):
        header = image(1)
        header.SpecificCharacterSet = "ISO_IR 192"
        header.PatientName = "Wang^XiaoDong=王^小东"
        header.save_as(tmp_path / "1.dcm", enforce_file_format=True)
        assert cleared("小东 or xiaodong_wang or 王小东 is gone", tmp_path) == "… or …_… or … is gone"

    def test_the_folder_is_the_owners_alone(self, settings: Settings, archive: Archive):
        config = settings(archive.port)
        with Running(Node(config, stand_in)):
            assert config.folder.stat().st_mode & 0o077 == 0
