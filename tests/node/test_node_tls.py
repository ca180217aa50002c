"""Encrypted associations with certificates made for the test."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from little_study import OBJECTS, Archive, Running, echo, free_port, send, stand_in, study, wait_for

from microbleeds.errors import InputError
from microbleeds.node.config import Config, Tls
from microbleeds.node.serve import Node
from microbleeds.node.tls import client_context, server_context

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")

Settings = Callable[..., Config]


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    pem, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
         "-keyout", str(key), "-out", str(pem)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return pem, key


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    folder = tmp_path_factory.mktemp("certificates")
    return {name: certificate(folder, name) for name in ("node", "partner", "stranger")}


def partner_context(certificates: dict[str, tuple[Path, Path]], name: str = "partner") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificates["node"][0])
    context.load_cert_chain(*certificates[name])
    return context


class TestTls:
    def test_in_and_out(self, settings: Settings, certificates: dict[str, tuple[Path, Path]]):
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(*certificates["partner"])
        server.load_verify_locations(certificates["node"][0])
        server.verify_mode = ssl.CERT_REQUIRED
        archive = Archive(free_port(), ssl_context=server)
        pem, key = certificates["node"]
        tls = {"certificate": pem, "key": key, "authority": certificates["partner"][0]}
        destination = {"ae_title": "PACS", "host": "127.0.0.1", "port": archive.port, "tls": True}
        config = settings(archive.port, tls=tls, destinations=[destination])
        try:
            with Running(Node(config, stand_in)) as node:
                encrypted = {"tls_args": (partner_context(certificates), "127.0.0.1")}
                assert not echo(config.port), "an unencrypted caller got in"
                stranger = {"tls_args": (partner_context(certificates, "stranger"), "127.0.0.1")}
                assert not echo(config.port, **stranger), "a caller with an unknown certificate got in"
                assert send(config.port, study(), **encrypted) == [0, 0, 0]
                wait_for(lambda: [s.state for s in node.queue.studies()] == ["done"])
            assert len(archive.stored) == OBJECTS
        finally:
            archive.stop()

    def test_old_protocols_are_off(self, certificates: dict[str, tuple[Path, Path]]):
        pem, key = certificates["node"]
        tls = Tls(certificate=pem, key=key, authority=pem)
        for context in (server_context(tls), client_context(tls)):
            assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert server_context(tls).verify_mode == ssl.CERT_REQUIRED
        assert client_context(tls).verify_mode == ssl.CERT_REQUIRED

    def test_a_missing_key_is_a_sentence(self, certificates: dict[str, tuple[Path, Path]], tmp_path: Path):
        tls = Tls(certificate=certificates["node"][0], key=tmp_path / "none.key")
        with pytest.raises(InputError, match="can't be used"):
            server_context(tls)

    def test_an_encrypted_destination_needs_certificates(self, settings: Settings):
        destination = {"ae_title": "PACS", "host": "h", "port": 104, "tls": True}
        with pytest.raises(ValueError, match="names no certificate"):
            settings(104, destinations=[destination])
