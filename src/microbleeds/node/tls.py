"""Encrypted associations (PS3.15 B.9: TLS 1.2 or newer), from certificates in PEM files."""

from __future__ import annotations

import ssl

from microbleeds.errors import InputError
from microbleeds.node.config import Tls


def server_context(tls: Tls) -> ssl.SSLContext:
    """Return the context for callers; with an authority they must show a certificate.

    Raises:
        InputError: if a certificate can't be read.
    """
    context = _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tls)
    if tls.authority is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(tls: Tls) -> ssl.SSLContext:
    """Return the context for destinations; without an authority those of the system are trusted.

    Raises:
        InputError: if a certificate can't be read.
    """
    context = _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), tls)
    context.check_hostname = tls.check_host
    if tls.authority is None:
        context.load_default_certs()
    return context


def _loaded(context: ssl.SSLContext, tls: Tls) -> ssl.SSLContext:
    """Load certificate, key and authority."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.authority is not None:
            context.load_verify_locations(tls.authority)
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"The certificate {tls.certificate}, its key or the authority can't be used ({error.args[-1]})."
        ) from error
    return context
