"""From received to sent: waiting, retries, late images, archives that refuse."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from little_study import OBJECTS, Archive, Running, free_port, image, send, stand_in, study, wait_for

from microbleeds.errors import InputError
from microbleeds.node.config import Config
from microbleeds.node.discretion import token_of
from microbleeds.node.queue import Queue
from microbleeds.node.receive import Receiver
from microbleeds.node.serve import Node
from microbleeds.node.spool import Spool
from microbleeds.node.work import Outcome, Worker

pytestmark = pytest.mark.slow

Settings = Callable[..., Config]


class Flaky:
    """Fails some times, then works."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures, self.error, self.calls = failures, error, 0

    def __call__(self, images: Path, out: Path) -> Outcome:
        self.calls += 1
        if self.calls <= self.failures:
            out.mkdir(parents=True)
            raise self.error
        return stand_in(images, out)


def states(node: Node) -> list[str]:
    return [entry.state for entry in node.queue.studies()]


class TestRetries:
    def test_a_passing_fault_is_tried_again(self, settings: Settings, archive: Archive):
        process = Flaky(2, RuntimeError("out of memory"))
        config = settings(archive.port)
        with Running(Node(config, process)) as node:
            send(config.port, study())
            wait_for(lambda: states(node) == ["done"])
        assert process.calls == 3
        assert set(archive.stored.values()) == {1}

    def test_it_is_given_up_in_the_end_with_its_sentence(self, settings: Settings, archive: Archive):
        process = Flaky(99, RuntimeError("out of memory"))
        config = settings(archive.port)
        with Running(Node(config, process)) as node:
            send(config.port, study())
            wait_for(lambda: states(node) == ["failed"])
            assert node.queue.studies()[0].sentence == "An unexpected error, RuntimeError: out of memory"
        assert process.calls == config.retries
        assert not archive.stored

    def test_bad_input_is_not_tried_again(self, settings: Settings, archive: Archive):
        process = Flaky(99, InputError("No SWI was found."))
        config = settings(archive.port)
        with Running(Node(config, process)) as node:
            send(config.port, study())
            wait_for(lambda: states(node) == ["failed"])
            assert node.queue.studies()[0].sentence == "No SWI was found."
        assert process.calls == 1

    def test_nothing_to_send_is_a_fault(self, settings: Settings, archive: Archive):
        config = settings(archive.port)
        with Running(Node(config, lambda images, out: Outcome((), "nothing"))) as node:
            send(config.port, study())
            wait_for(lambda: states(node) == ["failed"])
            assert node.queue.studies()[0].sentence == "The search wrote nothing to send."

    def test_a_damaged_header_neither_ends_the_node_nor_leaks(self, settings: Settings, archive: Archive):
        def damage(images: Path, out: Path) -> Outcome:
            for path in images.glob("*"):
                path.write_bytes(path.read_bytes()[:132] + b"\xff" * 40)
            raise InputError("The image of Doe^Jane is damaged.")

        config = settings(archive.port)
        with Running(Node(config, damage)) as node:
            send(config.port, study())
            wait_for(lambda: states(node) == ["failed"])
            assert node.queue.studies()[0].sentence.startswith("No header of the study can be read")
            node.queue.retry_failed()
            wait_for(lambda: states(node) == ["failed"])

    def test_failed_studies_can_be_taken_up_again(self, settings: Settings, archive: Archive):
        process = Flaky(1, InputError("The weights are missing."))
        config = settings(archive.port)
        with Running(Node(config, process)) as node:
            send(config.port, study())
            wait_for(lambda: states(node) == ["failed"])
            assert node.queue.retry_failed() == 1
            wait_for(lambda: states(node) == ["done"])
        assert len(archive.stored) == OBJECTS


class TestLateImages:
    def test_a_changed_result_is_sent_too(self, settings: Settings, archive: Archive):
        def by_number(images: Path, out: Path) -> Outcome:
            outcome = stand_in(images, out)
            number = len(list(images.glob("*.dcm")))
            return Outcome(outcome.objects[: number - 2], str(number))

        config = settings(archive.port)
        with Running(Node(config, by_number)) as node:
            send(config.port, study(3))
            wait_for(lambda: states(node) == ["done"])
            assert len(archive.stored) == 1
            send(config.port, [image(4)])
            wait_for(lambda: len(archive.stored) == 2 and states(node) == ["done"])
        assert set(archive.stored.values()) == {1}

    def test_an_unchanged_result_is_not_sent_again(self, settings: Settings, archive: Archive):
        calls = []

        def same(images: Path, out: Path) -> Outcome:
            calls.append(len(list(images.glob("*.dcm"))))
            return Outcome(stand_in(images, out).objects, "the same")

        config = settings(archive.port)
        with Running(Node(config, same)) as node:
            send(config.port, study(3))
            wait_for(lambda: states(node) == ["done"])
            send(config.port, [image(4)])
            wait_for(lambda: len(calls) == 2 and states(node) == ["done"])
        assert calls == [3, 4]
        assert set(archive.stored.values()) == {1}

    def test_images_that_come_while_it_is_processed(self, settings: Settings, archive: Archive):
        config, calls = settings(archive.port), []

        def slow(images: Path, out: Path) -> Outcome:
            calls.append(len(list(images.glob("*.dcm"))))
            if len(calls) == 1:
                send(config.port, [image(4)])
            return stand_in(images, out)

        with Running(Node(config, slow)) as node:
            send(config.port, study(3))
            wait_for(lambda: states(node) == ["done"])
        assert calls == [3, 4]
        assert len(archive.stored) == OBJECTS


class TestStarts:
    def test_a_study_that_always_ends_the_program_is_given_up(self, tmp_path: Path):
        """What a start finds half-processed was cut off; after `retries` times it is the study's fault."""
        for start in range(3):
            queue = Queue(tmp_path / "queue.sqlite")
            if start == 0:
                queue.received("a", "1.2.3", "1.2.3.1")
            queue.recover(retries=2)
            expected = "receiving" if start < 2 else "failed"
            assert queue.studies()[0].state == expected
            if start < 2:
                assert queue.begin("a") == start + 1
            queue.close()
        assert queue_sentence(tmp_path) == "The program ended while it processed this study."

    def test_what_was_about_to_leave_may_have_arrived(self, tmp_path: Path):
        queue = Queue(tmp_path / "queue.sqlite")
        queue.received("a", "1.2.3", "1.2.3.1")
        queue.begin("a")
        queue.processed("a", [("1.9.1", Path("x.dcm")), ("1.9.2", Path("y.dcm"))], ["PACS@h:1"], "digest")
        first, second = queue.unsent("a")
        queue.sending(first)
        queue.close()
        again = Queue(tmp_path / "queue.sqlite")
        assert [(item.uid, item.interrupted) for item in again.unsent("a")] == [("1.9.1", True), ("1.9.2", False)]
        again.sent(second)
        assert [item.uid for item in again.unsent("a")] == ["1.9.1"]
        again.close()


def queue_sentence(folder: Path) -> str | None:
    queue = Queue(folder / "queue.sqlite")
    try:
        return queue.studies()[0].sentence
    finally:
        queue.close()


class TestComplete:
    def test_a_study_waits_for_its_quiet_time_and_open_associations(self, tmp_path: Path):
        queue = Queue(tmp_path / "queue.sqlite")
        queue.received("a", "1.2.3", "1.2.3.1")
        assert queue.complete(60) is None
        assert queue.complete(0) == "a"
        assert queue.complete(0, busy=["a"]) is None
        queue.close()


class TestLateAndFailed:
    """Images that come while a study fails: nothing of it is final."""

    def test_while_it_is_searched(self, tmp_path: Path):
        queue = Queue(tmp_path / "queue.sqlite")
        queue.received("T", "1.2", "first")
        queue.begin("T")
        queue.received("T", "1.2", "second")
        queue.fail("T", "1 slice is missing.")
        assert queue.complete(0) == "T"
        assert (queue.studies()[0].attempts, queue.studies()[0].sentence) == (0, "1 slice is missing.")
        queue.begin("T")
        queue.fail("T", "1 slice is missing.")
        assert (queue.complete(0), queue.studies()[0].state) == (None, "failed")

    def test_while_an_archive_refuses(self, tmp_path: Path):
        queue = Queue(tmp_path / "queue.sqlite")
        queue.received("T", "1.2", "first")
        queue.begin("T")
        queue.processed("T", [("1.2.3", Path("sr.dcm"))], ["PACS"], "digest")
        queue.received("T", "1.2", "late")
        queue.fail("T", "Not sent to PACS.")
        assert queue.complete(0) == "T"
        queue.begin("T")
        queue.processed("T", [("1.2.3", Path("sr.dcm"))], ["PACS"], "digest")
        assert len(queue.unsent("T")) == 1, "the same result never went out"


class TestArchives:
    def test_two_archives_get_everything(self, settings: Settings, archive: Archive):
        other = Archive(free_port())
        destinations = [
            {"ae_title": "PACS", "host": "127.0.0.1", "port": archive.port},
            {"ae_title": "PACS", "host": "127.0.0.1", "port": other.port},
        ]
        config = settings(archive.port, destinations=destinations)
        try:
            with Running(Node(config, stand_in)) as node:
                send(config.port, study())
                wait_for(lambda: states(node) == ["done"])
            assert len(archive.stored) == len(other.stored) == OBJECTS
        finally:
            other.stop()

    def test_an_archive_that_is_down_keeps_nothing_from_another(self, settings: Settings, archive: Archive):
        port = free_port()
        destinations = [
            {"ae_title": "A_DOWN", "host": "127.0.0.1", "port": port},
            {"ae_title": "PACS", "host": "127.0.0.1", "port": archive.port},
        ]
        config = settings(archive.port, destinations=destinations)
        with Running(Node(config, stand_in)) as node:
            send(config.port, study())
            wait_for(lambda: len(archive.stored) == OBJECTS and node.queue.studies()[0].sentence)
            assert node.queue.studies()[0].state == "processed"
            assert "A_DOWN" in str(node.queue.studies()[0].sentence)
            late = Archive(port)
            wait_for(lambda: states(node) == ["done"])
        assert set(late.stored.values()) == set(archive.stored.values()) == {1}, "nothing is sent twice"
        late.stop()

    def test_a_refusal_waits_for_an_archive_that_is_down(self, settings: Settings):
        refusing, port = Archive(free_port(), status=0xA900), free_port()
        destinations = [
            {"ae_title": "A_REFUSES", "host": "127.0.0.1", "port": refusing.port},
            {"ae_title": "PACS", "host": "127.0.0.1", "port": port},
        ]
        config = settings(port, destinations=destinations, retries=1)
        with Running(Node(config, stand_in)) as node:
            send(config.port, study())
            wait_for(lambda: "0xA900" in str(node.queue.studies() and node.queue.studies()[0].sentence))
            assert states(node) == ["processed"]
            other = Archive(port)
            wait_for(lambda: states(node) == ["failed"])
            sentence = str(node.queue.studies()[0].sentence)
        assert set(other.stored.values()) == {1}
        assert "A_REFUSES" in sentence
        assert "PACS" not in sentence
        refusing.stop()
        other.stop()

    def test_an_archive_that_is_down_gets_it_later(self, settings: Settings):
        port = free_port()
        config = settings(port)
        with Running(Node(config, stand_in)) as node:
            send(config.port, study())
            wait_for(lambda: (node.queue.studies() or [None])[0] and node.queue.studies()[0].sentence)
            assert node.queue.studies()[0].state == "processed"
            assert "accepted no association" in str(node.queue.studies()[0].sentence)
            archive = Archive(port)
            wait_for(lambda: states(node) == ["done"])
        assert set(archive.stored.values()) == {1}
        archive.stop()

    def test_one_that_is_no_longer_in_the_settings_fails_the_study(self, settings: Settings, archive: Archive):
        port = free_port()
        gone, kept = (
            {"ae_title": name, "host": "127.0.0.1", "port": at}
            for name, at in (("GONE", port), ("PACS", archive.port))
        )
        config = settings(archive.port, destinations=[gone])
        with Running(Node(config, stand_in)) as node:
            send(config.port, study())
            wait_for(lambda: states(node) == ["processed"])
        with Running(Node(settings(archive.port, destinations=[kept]), stand_in)) as node:
            wait_for(lambda: states(node) == ["failed"])
            sentence = str(node.queue.studies()[0].sentence)
        assert sentence == f"Not sent to GONE@127.0.0.1:{port}: it is no longer a destination in the settings."
        with Running(Node(config, stand_in)) as node:
            node.queue.retry_failed()
            late = Archive(port)
            wait_for(lambda: states(node) == ["done"])
        assert set(late.stored.values()) == {1}
        late.stop()

    def test_an_archive_that_refuses_is_given_up(self, settings: Settings):
        archive = Archive(free_port(), status=0xA900)
        config = settings(archive.port, retries=2)
        with Running(Node(config, stand_in)) as node:
            send(config.port, study())
            wait_for(lambda: states(node) == ["failed"])
            assert "0xA900" in str(node.queue.studies()[0].sentence)
            archive.status = 0
            node.queue.retry_failed()
            wait_for(lambda: states(node) == ["done"])
        assert set(archive.stored.values()) == {1}
        archive.stop()

    @pytest.mark.parametrize("lost", ["0.dcm", "2.dcm"])
    def test_a_lost_result_is_a_failed_study(self, settings: Settings, lost: str):
        config = settings(free_port())
        with Running(Node(config, stand_in)) as node:
            send(config.port, study())
            wait_for(lambda: states(node) == ["processed"])
            next((config.folder / "results").glob(f"*/{lost}")).unlink()
            wait_for(lambda: states(node) == ["failed"])
            assert "can't be read" in str(node.queue.studies()[0].sentence)


class TestExpiry:
    @pytest.fixture
    def ended(self, settings: Settings) -> SimpleNamespace:
        """A failed study of one image whose time is over."""
        config = settings(free_port(), keep_hours=0)
        spool = Spool(config)
        queue, token = Queue(spool.queue), token_of("1.2.3")
        spool.keep(token, "1.2.3.1", b"first")
        queue.received(token, "1.2.3", "1.2.3.1")
        queue.fail(token, "No SWI was found.")
        receiver, worker = Receiver(config, spool, queue), Worker(config, spool, queue, stand_in)
        return SimpleNamespace(token=token, spool=spool, queue=queue, receiver=receiver, worker=worker)

    def images(self, ended: SimpleNamespace) -> int:
        return len(list(ended.spool.images(ended.token).glob("*.dcm")))

    def test_a_study_that_is_being_sent_again_stays(self, ended: SimpleNamespace):
        assert not ended.worker.step(busy=[ended.token])
        assert self.images(ended) == 1
        before = ended.queue.studies()[0].changed
        assert ended.queue.knows(ended.token, "1.2.3.1")
        assert ended.queue.studies()[0].changed > before, "its time begins anew"
        assert not ended.queue.knows(ended.token, "1.2.3.9")
        assert ended.worker.step()
        assert (self.images(ended), ended.queue.studies()) == (0, [])

    def test_only_what_is_still_over_is_dropped(self, ended: SimpleNamespace):
        dropped: list[str] = []
        ended.queue.forget(ended.token, 3600, dropped.append)
        assert len(ended.queue.studies()) == 1
        ended.queue.received(ended.token, "1.2.3", "1.2.3.2")
        ended.queue.forget(ended.token, 0, dropped.append)
        assert [study.images for study in ended.queue.studies()] == [2]
        assert dropped == []

    def test_an_image_that_comes_meanwhile_is_kept(self, ended: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
        keep, dropping = ended.spool.keep, threading.Thread(target=ended.worker.step)

        def keep_while_it_expires(*image: object) -> None:
            keep(*image)
            dropping.start()
            dropping.join(0.3)

        monkeypatch.setattr(ended.spool, "keep", keep_while_it_expires)
        association = SimpleNamespace(assoc=object())
        assert ended.receiver._keep(association, "1.2.3", "1.2.3.2", b"second") == 0
        dropping.join()
        assert self.images(ended) == 2
        assert [(study.state, study.images) for study in ended.queue.studies()] == [("receiving", 2)]
