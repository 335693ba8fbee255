"""The embedded Hub as a process: its command line, its disk, its faults, and the environment it gives to others."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from support import ROOT

from cxr.errors import UserError
from cxr.local_hub import TOKEN, LocalHub, environment

MEBIBYTE = 2**20


class Serving:
    """`python -m cxr.local_hub` in a process of its own, ended with the block."""

    def __init__(self, root, *flags):
        command = [sys.executable, "-m", "cxr.local_hub", "--root", str(root), *flags]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy()
        )
        self.line = self.process.stdout.readline()
        self.url = re.search(r"http://\S+", self.line)[0]
        self.api = HfApi(self.url, token=TOKEN)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def end(self, number):
        self.process.send_signal(number)
        rest, errors = self.process.communicate(timeout=20)
        return self.process.returncode, rest, errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_one_line_and_serves_until_told_to_end(tmp_path, number):
    with Serving(tmp_path / "new" / "root", "--port", "0") as hub:
        assert hub.url.startswith("http://127.0.0.1:")
        assert hub.api.whoami()["name"] == "demo"
        assert hub.end(number) == (0, "", "")


def test_its_state_survives_a_kill(tmp_path):
    with Serving(tmp_path, "--port", "0") as hub:
        hub.api.create_repo("demo/lasting")
        sha = hub.api.upload_file(path_or_fileobj=b"\0x", path_in_repo="a.bin", repo_id="demo/lasting").oid
        hub.process.kill()
        hub.process.wait()
    with Serving(tmp_path, "--port", "0") as hub:
        path = hub.api.hf_hub_download("demo/lasting", "a.bin", revision=sha, cache_dir=tmp_path / "cache")
        assert Path(path).read_bytes() == b"\0x"


def test_other_machines_are_let_in_only_when_asked_and_with_a_warning(tmp_path):
    with Serving(tmp_path, "--port", "0", "--host", "0.0.0.0") as hub:
        code, _, errors = hub.end(signal.SIGTERM)
    assert code == 0
    assert re.fullmatch(r"warning: --host 0\.0\.0\.0 .*without authentication\n", errors)


def refusal(run_cli, *flags):
    run = run_cli(["-m", "cxr.local_hub", *map(str, flags)])
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.count("\n") == 1
    return run.stderr


def test_a_taken_port_or_an_impossible_one_is_one_line(run_cli, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port}" in refusal(run_cli, "--port", port, "--root", tmp_path)
    assert "--port 70000" in refusal(run_cli, "--port", 70000, "--root", tmp_path)
    assert "cannot listen on" in refusal(run_cli, "--port", 0, "--root", tmp_path, "--host", "256.0.0.1")


def test_a_root_that_cannot_be_used_is_one_line(run_cli, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "blobs").touch()
    for root in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "odd"):
        assert f"--root {root} cannot be written" in refusal(run_cli, "--port", 0, "--root", root)
    with LocalHub(tmp_path / "used"):
        assert "another embedded Hub" in refusal(run_cli, "--port", 0, "--root", tmp_path / "used")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_root_is_one_line(run_cli, tmp_path):
    tmp_path.chmod(0o500)
    assert "cannot be written" in refusal(run_cli, "--port", 0, "--root", tmp_path)


def test_it_stops_and_starts_again_in_one_process(tmp_path):
    with LocalHub(tmp_path) as hub:
        HfApi(hub.url, token=TOKEN).create_repo("demo/again")
        with pytest.raises(UserError, match="another embedded Hub"):
            LocalHub(tmp_path).start()
    hub.stop()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(hub.url)
    with LocalHub(tmp_path, port=hub.port) as hub:
        assert HfApi(hub.url, token=TOKEN).repo_exists("demo/again")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to read a process's memory")
def test_a_large_file_is_never_held_in_memory(tmp_path):
    size = 96 * MEBIBYTE
    (tmp_path / "large.bin").touch()
    os.truncate(tmp_path / "large.bin", size)
    with Serving(tmp_path / "hub", "--port", "0") as hub:
        hub.api.create_repo("demo/large")
        before = peak_memory(hub.process.pid)
        hub.api.upload_file(path_or_fileobj=tmp_path / "large.bin", path_in_repo="large.bin", repo_id="demo/large")
        path = hub.api.hf_hub_download("demo/large", "large.bin", cache_dir=tmp_path / "cache")
        assert Path(path).stat().st_size == size
        assert peak_memory(hub.process.pid) - before < 24 * MEBIBYTE


def peak_memory(pid):
    """Bytes, the highest so far."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def test_environment_forgets_the_users_hub_and_keeps_the_rest(tmp_path):
    foreign = ["HF_TOKEN", "HF_HUB_OFFLINE", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"]
    foreign += ["DATASETS_CACHE", "HF_DATASETS_OFFLINE", "GRADIO_SERVER_PORT", "MODEL_ID", "MODEL_REVISION", "SPACE_ID"]
    base = dict.fromkeys(foreign, "user's") | {"PATH": "/bin", "http_proxy": "http://proxy:1", "NO_PROXY": "intra.net"}
    made = environment("http://127.0.0.1:1", tmp_path, base)
    assert "user's" not in made.values()
    assert (made["PATH"], made["http_proxy"]) == ("/bin", "http://proxy:1")
    assert (made["HF_ENDPOINT"], made["HF_HOME"], made["HF_TOKEN"]) == ("http://127.0.0.1:1", str(tmp_path), TOKEN)
    assert made["NO_PROXY"] == made["no_proxy"]
    assert {"intra.net", "127.0.0.1", "localhost"} <= set(made["NO_PROXY"].split(","))
    assert base["HF_TOKEN"] == "user's"


def test_a_child_reaches_the_hub_past_a_proxy_and_a_stored_login(hub, tmp_path):
    hostile = os.environ | {
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "HF_HUB_OFFLINE": "1",
    }
    env = environment(hub.url, tmp_path, hostile)
    code = "from huggingface_hub import whoami; print(whoami()['name'])"
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert run.stdout == "demo\n"


def test_the_hub_does_not_load_what_reads_its_address_or_takes_long(run_cli):
    code = (
        "import sys, cxr.local_hub.__main__; "
        "print({'huggingface_hub', 'torch', 'transformers', 'datasets'} & sys.modules.keys())"
    )
    assert run_cli(["-c", code]).stdout == "set()\n"


def test_faults_fail_hang_and_drop_as_told(hub):
    api = HfApi()
    api.create_repo("demo/faulty", exist_ok=True)
    hub.faults.add(status=500, path="/revision/", times=1)
    with pytest.raises(HfHubHTTPError):
        api.model_info("demo/faulty", revision="main")
    assert api.model_info("demo/faulty", revision="main").id == "demo/faulty"
    hub.faults.add(drop=True, path="demo/faulty")
    with pytest.raises(httpx2.RemoteProtocolError):
        api.model_info("demo/faulty")
    hub.faults.add(hang=True, path="demo/faulty", times=None)
    with pytest.raises(httpx2.ReadTimeout):
        api.model_info("demo/faulty", timeout=0.3)
    hub.faults.clear()
    assert api.model_info("demo/faulty", timeout=5).id == "demo/faulty"


def test_an_upload_cut_in_the_middle_leaves_nothing_and_is_repeated(hub):
    api = HfApi()
    api.create_repo("demo/cut", exist_ok=True)
    content = os.urandom(3 * MEBIBYTE)
    cut = hub.faults.add(drop=True, path="/lfs/", method="PUT", times=1)
    api.upload_file(path_or_fileobj=content, path_in_repo="x.bin", repo_id="demo/cut")
    assert cut.hits == 1
    assert Path(api.hf_hub_download("demo/cut", "x.bin")).read_bytes() == content
    assert list((hub.root / "partial").iterdir()) == []


def test_a_client_that_goes_away_leaves_no_trace(tmp_path):
    with Serving(tmp_path, "--port", "0") as hub:
        hub.api.create_repo("demo/gone")
        body = {"operation": "upload", "objects": [{"oid": "0" * 64, "size": 1000}]}
        planned = httpx2.post(
            f"{hub.url}/demo/gone.git/info/lfs/objects/batch", json=body, headers={"Authorization": f"Bearer {TOKEN}"}
        )
        target = httpx2.URL(planned.json()["objects"][0]["actions"]["upload"]["href"])
        with socket.create_connection((target.host, target.port)) as client:
            request = f"PUT {target.raw_path.decode()} HTTP/1.1\r\nHost: {target.host}\r\nContent-Length: 1000\r\n\r\n"
            client.sendall(request.encode() + b"\0" * 10)
            until(lambda: list((tmp_path / "partial").iterdir()))
        until(lambda: not list((tmp_path / "partial").iterdir()))
        assert hub.api.repo_exists("demo/gone")
        assert hub.end(signal.SIGTERM) == (0, "", "")


def until(condition, seconds=10):
    """Wait for what a server does on its own time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
