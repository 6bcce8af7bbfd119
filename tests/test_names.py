"""A name is the same in both forms of Unicode."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from siamese_verify.names import normalized


@given(st.text())
def test_every_form_of_a_name_is_normalized_alike(name: str):
    forms = {unicodedata.normalize(form, name) for form in ("NFC", "NFD")}
    assert {normalized(form) for form in (*forms, name)} == {normalized(name)}
    assert unicodedata.is_normalized("NFC", normalized(name))


@given(st.text(), st.text())
def test_a_path_is_normalized_as_its_parts_are(folder: str, file: str):
    assert normalized(f"{folder}/{file}") == f"{normalized(folder)}/{normalized(file)}"
