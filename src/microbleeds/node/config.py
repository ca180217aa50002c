"""What the user sets for a node: a TOML file, or the same values by flags."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from microbleeds.errors import InputError, first_fault

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Up to 16 characters of the default repertoire without backslash (PS3.5, AE).
AeTitle = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[ -\[\]-~]{1,16}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
_DESTINATION = re.compile(r"^(?P<ae_title>[^@]+)@(?P<host>.+):(?P<port>\d+)$")


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Destination(_Settings):
    """An archive that gets the results."""

    ae_title: AeTitle
    host: str = Field(min_length=1)
    port: Port
    tls: bool = False


class Tls(_Settings):
    """Certificates (PEM) for encrypted associations, by at least TLS 1.2.

    With an authority, callers must show a certificate that it signed, and destinations are checked against it.
    """

    certificate: Path
    key: Path
    authority: Path | None = None
    check_host: bool = Field(default=True, description="A destination's certificate must name its host.")


class Config(_Settings):
    """Everything that a node needs to know."""

    folder: Path = Field(description="Where studies, results and the queue lie.")
    callers: tuple[AeTitle, ...] = Field(
        min_length=1, description="AE titles that may send; all others are refused."
    )
    destinations: tuple[Destination, ...] = Field(min_length=1)
    ae_title: AeTitle = "MICROBLEEDS"
    address: str = "0.0.0.0"
    port: Port = 11112
    tls: Tls | None = None
    quiet_seconds: float = Field(
        default=60, ge=0, description="A study is complete after so long without an image."
    )
    retries: int = Field(default=3, ge=1, description="How often a study is tried before it has failed.")
    retry_seconds: float = Field(default=60, ge=0)
    keep_hours: float = Field(default=24, ge=0, description="Files of finished and failed studies stay so long.")
    most_gigabytes: float = Field(default=50, gt=0, description="Of received images and results together.")
    least_free_gigabytes: float = Field(default=2, ge=0, description="Left free on the disk.")
    most_megabytes_per_image: float = Field(default=2000, gt=0)

    @model_validator(mode="after")
    def _encryption_has_certificates(self) -> Config:
        """Refuse an encrypted destination without certificates."""
        if self.tls is None and any(destination.tls for destination in self.destinations):
            raise ValueError("a destination asks for TLS but [tls] names no certificate")
        return self


def read_config(path: Path | None, flags: dict[str, Any]) -> Config:
    """Read the settings.

    Args:
        path: TOML file; ``None`` if the flags say everything.
        flags: name to value of what was given on the command line; it wins over the file.

    Raises:
        InputError: if the file can't be read, or a setting is missing or wrong.
    """
    values = {} if path is None else _read(path)
    given = {name: value for name, value in flags.items() if value not in (None, (), [])}
    try:
        return Config.model_validate(values | given)
    except ValidationError as error:
        fault = first_fault(error, "the settings")
        origin = f"The settings {path}" if path else "The settings"
        raise InputError(f"{origin} can't be used ({fault}); see docs/dicom.md.") from error


def parse_destination(text: str) -> Destination:
    """Read ``AE@HOST:PORT``.

    Raises:
        InputError: if the text has another form.
    """
    match = _DESTINATION.match(text)
    try:
        if match is None:
            raise ValueError(text)
        return Destination.model_validate(match.groupdict())
    except ValueError as error:
        raise InputError(f"The destination {text!r} is not of the form AE@HOST:PORT.") from error


def _read(path: Path) -> dict[str, Any]:
    """Read the file; paths in it are relative to its folder."""
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The settings {path} can't be read; check the path.") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"The settings {path} are no TOML ({error}).") from error
    base = Path(path).resolve().parent
    if isinstance(values.get("folder"), str):
        values["folder"] = base / values["folder"]
    if isinstance(values.get("tls"), dict):
        for name in ("certificate", "key", "authority"):
            if isinstance(values["tls"].get(name), str):
                values["tls"][name] = base / values["tls"][name]
    return values
