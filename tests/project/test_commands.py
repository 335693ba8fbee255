"""What the commands do before they import anything heavy, and what is left of a demo that was stopped."""

import signal
import subprocess
import sys

import pytest
from PIL import Image
from stops import MARK, kill_all, started_by
from support import ROOT, wait_until

_AT_TORCH = """
import os, runpy, sys

class AtTorch:
    def find_spec(self, name, *_):
        if name == "torch":
            print(os.environ.get("GOMP_SPINCOUNT"), flush=True)
            os._exit(0)

sys.meta_path.insert(0, AtTorch())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(
    ("command", "given", "expected"),
    [
        (["train_hf.py", "--help"], {}, "3000"),
        (["train_hf.py", "--help"], {"OMP_WAIT_POLICY": "active"}, "None"),
        (["train_hf.py", "--help"], {"GOMP_SPINCOUNT": "5"}, "5"),
        (["assess.py", "--help"], {}, "3000"),
        (["predict.py", "--model", "no/such", "x.png"], {}, "3000"),
        (["app.py", "--model", "."], {}, "3000"),
    ],
)
def test_threads_are_told_to_sleep_before_torch_is_imported(command, given, expected, run_cli, env, tmp_path):
    Image.new("L", (64, 64)).save(tmp_path / "x.png")
    command = [str(tmp_path / "x.png") if word == "x.png" else word for word in command]
    done = run_cli(["-c", _AT_TORCH, *command], env=env | {"PYTHONPATH": str(ROOT)} | given)
    assert done.stdout.split() == [expected], done.stderr


@pytest.mark.slow
def test_a_stopped_demo_leaves_no_process(env, tmp_path):
    mark = str(tmp_path)
    run = [sys.executable, "demo.py", "--out", str(tmp_path / "demo")]
    try:
        with subprocess.Popen(run, cwd=ROOT, env=env | {MARK: mark}, stdout=subprocess.PIPE, text=True) as demo:
            next(line for line in demo.stdout if "Drawing" in line)
            wait_until(lambda: len(started_by(mark)) > 1)
            demo.send_signal(signal.SIGTERM)
            demo.stdout.read()
        assert demo.returncode == 128 + signal.SIGTERM
        wait_until(lambda: not started_by(mark))
    finally:
        kill_all(mark)
