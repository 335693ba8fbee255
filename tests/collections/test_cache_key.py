"""What has been read is kept under a key that follows the code: no module that takes part may be left out of it."""

import json
import shutil
import subprocess
import sys

import pytest
from raw import folders
from support import ROOT

from cxr import import_closure
from dataset_script import reading

ENTRIES = reading.CODE

TRACED = """
import json, sys
from pathlib import Path
from cxr.patient_key import new_key
from dataset_script.reading import Settings, read_record
from dataset_script.collections import collect

records = list(collect(json.loads(sys.argv[1])).records)
used, settings = set(), Settings(16, new_key(), "")
sys.setprofile(lambda frame, event, _: used.add(frame.f_code.co_filename) if event == "call" else None)
for record in records:
    read_record(record, settings)
sys.setprofile(None)
root = Path.cwd().resolve()
ours = [Path(name).relative_to(root) for name in used if name.startswith(f"{root}/")]
print(json.dumps([path.as_posix() for path in ours if path.parts[0] in ("cxr", "dataset_script")]))
"""


def test_every_module_that_runs_while_images_are_read_is_part_of_the_key(tmp_path):
    from dicom_files import dataset, exposure, written

    raw = folders(tmp_path / "raw", covid=2, normal=2)
    (raw / "covid" / "one.dcm").write_bytes(written(dataset(exposure(), 12)))
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", raw)
    sources = json.dumps([f"folder={raw}", f"folder={packed}", "phantom=6"])
    run = subprocess.run([sys.executable, "-c", TRACED, sources], cwd=ROOT, capture_output=True, text=True, check=True)
    used = set(json.loads(run.stdout))
    assert {"cxr/imaging/reader.py", "cxr/imaging/dicom/pixels.py", "cxr/phantom.py"} <= used
    assert used <= {path.as_posix() for path in import_closure.sources(*ENTRIES)}


code_digest = import_closure.code_digest.__wrapped__
"""Without its cache: here the code changes within one process."""


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The project's packages in a folder where they may be edited."""
    for package in ("cxr", "dataset_script"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(import_closure, "ROOT", tmp_path)
    return tmp_path


def test_an_edit_in_any_of_them_changes_the_key_and_one_elsewhere_does_not(copied):
    before = code_digest(*ENTRIES)
    for path in import_closure.sources(*ENTRIES):
        text = (copied / path).read_bytes()
        (copied / path).write_bytes(text + b"\n# edited\n")
        assert code_digest(*ENTRIES) != before, path
        (copied / path).write_bytes(text)
    for path in ("cxr/serving/predictor.py", "dataset_script/report.py"):
        (copied / path).write_bytes((copied / path).read_bytes() + b"\n# edited\n")
    assert code_digest(*ENTRIES) == before


def test_another_version_of_a_package_that_they_import_changes_the_key(monkeypatch):
    before = code_digest(*ENTRIES)
    assert {"numpy", "pillow", "pydicom", "imagecodecs"} <= set(
        import_closure.distributions(import_closure.sources(*ENTRIES))
    )
    monkeypatch.setattr(import_closure, "version", lambda name: "0" if name == "pydicom" else "1")
    assert code_digest(*ENTRIES) != before
