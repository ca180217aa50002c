"""Where everything lies below the output folder.

```
OUT/
  dataset_description.json  README.md  .bidsignore
  group_microbleeds.tsv (.json)  group_microbleeds.html
  sub-01.html                                   all visits of a subject, with links to their pages
  sub-01/sub-01_sessions.tsv (.json)            what is new at each visit
  sub-01/ses-1/anat/                            derivatives with BIDS names
  sub-01/ses-1/figures/                         pages to read
  results/sub-01_ses-1/                         the result as `microbleeds detect` writes it
  results/sub-01_followup/
  logs/CITATION.md  logs/settings.json  logs/scans/*.json  logs/followup/*.json
```
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Paths of an output folder."""

    root: Path

    @property
    def results(self) -> Path:
        """Folders as `microbleeds detect` writes them."""
        return self.root / "results"

    @property
    def logs(self) -> Path:
        """What became of each scan, and how to cite."""
        return self.root / "logs"

    @property
    def scans(self) -> Path:
        """Outcomes of scans."""
        return self.logs / "scans"

    @property
    def followups(self) -> Path:
        """Outcomes of follow-ups."""
        return self.logs / "followup"

    @property
    def group(self) -> Path:
        """The group's files, without their ending."""
        return self.root / "group_microbleeds"

    def page(self, subject: str) -> Path:
        """A subject's page."""
        return self.root / f"sub-{subject}.html"

    def folder(self, subject: str, session: str | None, kind: str) -> Path:
        """A folder of a session, such as ``anat`` or ``figures``."""
        inside = self.root / f"sub-{subject}"
        return (inside if session is None else inside / f"ses-{session}") / kind

    def sessions_table(self, subject: str) -> Path:
        """What is new at each of a subject's sessions."""
        return self.root / f"sub-{subject}" / f"sub-{subject}_sessions.tsv"

    def followup_note(self, subject: str) -> Path:
        """Outcome of a subject's follow-up."""
        return self.followups / f"sub-{subject}.json"

    def followup_result(self, subject: str) -> Path:
        """A subject's comparisons."""
        return self.results / f"sub-{subject}_followup"
