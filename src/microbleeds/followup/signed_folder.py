"""A comparison and a reader's verdicts become a folder of the signed comparison.

It holds `comparison.json`, `comparison.tsv` and `comparison.html` after the reading, `review.json` (who decided
what and when) and a copy of `comparison-verdicts.json`. It appears whole or not at all. The pictures are those of
the page that was read, so neither scans nor results are needed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from microbleeds.atomic import atomic_folder
from microbleeds.errors import InputError
from microbleeds.followup.drawn import read_drawn
from microbleeds.followup.files import PAGE, RECORD, write_files
from microbleeds.followup.record import read_comparison
from microbleeds.followup.signed import SignedComparison, sign_comparison
from microbleeds.followup.verdicts import read_comparison_verdicts
from microbleeds.overwriting import refuse_other_folder
from microbleeds.report.review.signed_folder import FOLDER, REVIEW
from microbleeds.report.run_record import sha256_of

VERDICTS = "comparison-verdicts.json"


def finalise_comparison(
    compared: Path, verdicts: Path, out: Path | None = None, *, overwrite: bool = False
) -> SignedComparison:
    """Write the signed comparison.

    Args:
        compared: folder of a comparison, with its `comparison.html`.
        verdicts: `comparison-verdicts.json` as the page exported it.
        out: folder to write; `reviewed` in the comparison's if ``None``.
        overwrite: whether an earlier signed comparison there may be replaced.

    Raises:
        InputError: if the verdicts are no export or of another comparison, or a file is missing.
    """
    folder = Path(compared)
    target = folder / FOLDER if out is None else Path(out)
    if overwrite:
        refuse_other_folder(target, "signed comparison", (RECORD, REVIEW))
    if (folder / REVIEW).exists():
        raise InputError(f"The comparison {folder} is signed already; give the folder that it was made from.")
    if not (folder / RECORD).is_file():
        raise InputError(f"The folder {folder} holds no {RECORD}; give the folder of a comparison.")
    sha256 = sha256_of(folder / RECORD)
    signed = sign_comparison(
        read_comparison(folder / RECORD),
        read_comparison_verdicts(verdicts),
        comparison_sha256=sha256,
        verdicts_sha256=sha256_of(verdicts),
    )
    drawn = read_drawn(folder / PAGE, sha256)
    with atomic_folder(target, overwrite=overwrite) as made:
        write_files(signed.comparison, drawn, made, signed.review.sentence)
        (made / REVIEW).write_text(signed.review.model_dump_json(indent=2) + "\n", encoding="utf-8")
        shutil.copyfile(verdicts, made / VERDICTS)
    return signed
