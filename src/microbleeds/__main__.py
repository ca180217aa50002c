"""`python -m microbleeds` is the command line."""

from __future__ import annotations

from microbleeds.cli import main

if __name__ == "__main__":
    main()
