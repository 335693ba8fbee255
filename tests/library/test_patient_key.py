"""The key of pseudonyms: created once, readable by its owner alone, never in a published folder."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from cxr.errors import UserError
from cxr.patient_key import file_hash, load_or_make_key, new_key, patient_hash


def test_created_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "keys" / "patients.key"
    old = os.umask(0)
    try:
        key = load_or_make_key(path)
    finally:
        os.umask(old)
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_make_key(path) == key
    assert [file.name for file in path.parent.iterdir()] == ["patients.key"]
    assert load_or_make_key(tmp_path / "other.key") != key


def test_processes_that_start_together_get_one_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(load_or_make_key, [tmp_path / "key"] * 32))) == 1


@pytest.mark.parametrize("content", ["", "secret", "ab" * 31, "zz" * 32, "é" * 64])
def test_a_file_without_a_key_is_refused_and_kept(tmp_path, content):
    path = tmp_path / "key"
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(UserError, match=r"--patient_key .*key holds no key .*name a new file"):
        load_or_make_key(path)
    assert path.read_text(encoding="utf-8") == content


def test_a_key_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "key"
    load_or_make_key(path)
    path.chmod(0o644)
    with pytest.raises(UserError, match="chmod 600"):
        load_or_make_key(path)


def test_a_key_is_never_published(tmp_path):
    with pytest.raises(UserError, match="keep the key elsewhere"):
        load_or_make_key(tmp_path / "out" / "deep" / "key", published=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert load_or_make_key(tmp_path / "key", published=tmp_path / "out")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="--patient_key"):
        load_or_make_key(tmp_path)


def test_pseudonyms():
    key = bytes(32)
    assert patient_hash(key, "4711") == patient_hash(key, " 4711 ")
    assert len(patient_hash(key, "4711")) == 32
    several = {patient_hash(key, "4711"), patient_hash(key, "4712"), patient_hash(key, "4711", "A")}
    several |= {patient_hash(new_key(), "4711"), patient_hash(key, "711", "A4"), file_hash(key, "4711")[:32]}
    assert len(several) == 6


def test_a_files_name_is_a_keyed_hash():
    key = bytes(32)
    name = file_hash(key, "covid/DOE^JANE.dcm")
    assert name == file_hash(key, "covid/DOE^JANE.dcm")
    assert name.endswith(".dcm")
    assert "DOE" not in name
    assert len({name, file_hash(key, "normal/DOE^JANE.dcm"), file_hash(new_key(), "covid/DOE^JANE.dcm")}) == 3
