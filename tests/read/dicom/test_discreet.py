"""Nothing of the patient in a text, however people write it."""

from __future__ import annotations

import pytest

from microbleeds.read.dicom.discreet import Discretion
from microbleeds.read.dicom.headers import Patient

SMITH = Patient("0012345", "Smith^John", "19500102")
YAMADA = Patient("AB-77001", "Yamada^Tarou=山田^太郎=やまだ^たろう", "")


@pytest.mark.parametrize(
    ("patient", "said", "left"),
    [
        (SMITH, "SWI SMITH, john", "SWI …, …"),
        (SMITH, "/data/SmithJohn/johnsmith_1", "/data/…/…_1"),
        (SMITH, "/data/Smith^John Smith_John", "/data/… …"),
        (SMITH, "blacksmith johnson", "blacksmith johnson"),
        (SMITH, "MRN0012345", "MRN…"),
        (SMITH, "100123456", "100123456"),
        (SMITH, "born 1950-01-02 02.01.1950 01/02/1950 02-01-1950 19500102", "born … … … … …"),
        (SMITH, "1.2.19500102.4 119500102", "1.2.….4 119500102"),
        (YAMADA, "SWI 山田 太郎 / 山田太郎の頭", "SWI … … / …の頭"),
        (YAMADA, "YamadaTarou やまだ", "… …"),
        (YAMADA, "xab-77001y", "x…y"),
        (Patient("7", "Li^Bo", ""), "Limb Li Mag 7", "Limb Li Mag 7"),
        (Patient("", "", ""), "SWI", "SWI"),
    ],
)
def test_what_is_left(patient: Patient, said: str, left: str) -> None:
    assert Discretion([patient])(said) == left


def test_of_several_headers() -> None:
    assert Discretion([SMITH, YAMADA])("Smith, Tarou") == "…, …"
    assert Discretion([])("Smith") == "Smith"
