"""Templates, styles and scripts of the pages, as they lie in the packages that make a page."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def templates_of(package: str, folder: str = "templates") -> Environment:
    """Return the templates of a package: whatever comes from files is escaped, and no name may be missing."""
    return Environment(
        loader=PackageLoader(package, folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def asset(name: str, package: str = "microbleeds.report", folder: str = "templates") -> Markup:
    """Read a style or script of ours; it is trusted and goes into the page as it is, with plain line ends."""
    text = (resources.files(package) / folder / name).read_text(encoding="utf-8")
    return Markup(text.replace("\r\n", "\n"))
