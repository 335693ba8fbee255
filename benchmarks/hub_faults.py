"""Put every fault of a Hub in the way of every pull and push, and print how long each takes to end and how.

    python benchmarks/hub_faults.py [--limit SECONDS] [--only TEXT|TEXT]

The embedded Hub answers with a fault from the first request on, or from the first file on. Right is: within twice
`CXR_HUB_TIMEOUT` plus ten seconds there is success or one line that says what to do; once the fault is over, the same
command works; a server that the Hub redirects to never sees the token. Exit code 1 if one of that fails.
"""

import contextlib
import io
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from measure import ROOT, make_parser

from cxr.cli import Main, command
from cxr.local_hub import LocalHub, environment

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # for the modules of the tests

STATUSES = (401, 403, 404, 409, 429, 500, 503)
FAULTS: dict[str, Mapping[str, Any]] = {
    **{str(status): {"status": status} for status in STATUSES},
    "429, Retry-After: 3600": {"status": 429, "headers": {"Retry-After": "3600"}},
    "503, Retry-After: 3600": {"status": 503, "headers": {"Retry-After": "3600"}},
    "slow": {"delay": 0.3},
    "a byte in 0.2 s": {"trickle": 0.2},
    "hang on HEAD": {"hang": True, "method": "HEAD"},
    "hang on GET": {"hang": True, "method": "GET"},
    "hang on PUT": {"hang": True, "method": "PUT"},
    "hang on POST": {"hang": True, "method": "POST"},
    "drop": {"cut": True},
    "wrong bytes": {"flip": 0xFF},
    "wrong bits": {"flip": 1},
    "no Hub's answer": {"status": 200, "body": b"<html>Welcome to the hotel's network</html>"},
    "redirect": {"status": 307},
    "redirect of GET": {"status": 307, "method": "GET"},
}
"""By name, the fields of a `faults.Fault`; a redirect gets the other server's address."""

STAGES = {"pull": ("", "/tree/", "/resolve/"), "push": ("", "/lfs/", "/commit/")}
"""For each direction the parts of paths at which the fault begins; the empty one means at the first request."""


class Outcome(NamedTuple):
    """How a command ended, and with what exit code its rerun without the fault did."""

    seconds: float
    code: int
    line: str
    rerun: int

    def is_right(self, limit: float) -> bool:
        """Whether it ended in time, in one line or with success, and works afterwards."""
        one_line = self.code == 0 or (self.code == 2 and self.line.count("\n") == 0 and self.line.startswith("error: "))
        return one_line and self.rerun == 0 and self.seconds <= 2 * limit + 10


@dataclass(frozen=True)
class Operation:
    """A command that pulls or pushes: `prepare` takes a fresh repo id, and returns its `main` and arguments."""

    direction: str
    prepare: Callable[[str], tuple[Main, list[str]]]


def try_fault(hub_faults: Any, operation: Operation, fault: Mapping[str, Any], path: str) -> Outcome:
    """Run a command while the Hub has a fault at paths that contain `path`, and again without it.

    `hub_faults` is the `faults.Faults` around the Hub.
    """
    main, arguments = operation.prepare(f"demo/fault-{uuid.uuid4().hex[:12]}")
    hub_faults.add(path=path, times=None, **fault)
    started = time.monotonic()
    code, line = _run(main, arguments)
    seconds = time.monotonic() - started
    hub_faults.clear()
    rerun, its_line = _run(main, arguments)
    return Outcome(seconds, code, line + (f"; the rerun: {its_line}" if rerun else ""), rerun)


def _run(main: Main, arguments: list[str]) -> tuple[int, str]:
    with contextlib.redirect_stderr(io.StringIO()) as printed, contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(arguments)
        except Exception as error:  # what the commands must not do is a result here
            return 1, f"{type(error).__name__}: {error}"
    return code, "\n".join(line for line in printed.getvalue().splitlines() if line.startswith("error: "))


def operations(model: Path, dataset: Path, image: Path, scratch: Path) -> dict[str, Operation]:
    """By name, what is pulled and pushed: a finished model folder and a prepared dataset."""
    from huggingface_hub import HfApi

    import predict
    from cxr.training import publish
    from cxr.training.data.dataset import load
    from dataset_script import publish as publish_dataset
    from dataset_script.__main__ import main as prepare

    @command
    def open_dataset(argv: Any) -> None:
        load(argv[0], None, 32)

    def upload(repo_id: str, folder: Path, kind: str) -> None:
        HfApi().create_repo(repo_id, repo_type=kind)
        HfApi().upload_folder(repo_id=repo_id, folder_path=folder, repo_type=kind, ignore_patterns=[".*"])

    def pull_model(repo_id: str) -> tuple[Main, list[str]]:
        upload(repo_id, model, "model")
        return predict.main, ["--model", repo_id, "--exact", str(image)]

    def pull_dataset(repo_id: str) -> tuple[Main, list[str]]:
        upload(repo_id, dataset, "dataset")
        return open_dataset, [repo_id]

    def prepare_again(repo_id: str) -> tuple[Main, list[str]]:
        upload(repo_id, dataset, "dataset")
        out = scratch / repo_id.split("/")[1]
        return prepare, [
            "--source",
            f"hub={repo_id}",
            "--out",
            str(out),
            "--image_size",
            "36",
            "--num_proc",
            "1",
            "--no_audit",
        ]

    def push_model(repo_id: str) -> tuple[Main, list[str]]:
        return publish.main, [str(_as_new(model, scratch)), repo_id]

    def push_dataset(repo_id: str) -> tuple[Main, list[str]]:
        return publish_dataset.main, [str(dataset), repo_id]

    return {
        "pull a model": Operation("pull", pull_model),
        "pull a dataset": Operation("pull", pull_dataset),
        "prepare from the Hub": Operation("pull", prepare_again),
        "push a model": Operation("push", push_model),
        "push a dataset": Operation("push", push_dataset),
    }


def _as_new(model: Path, scratch: Path) -> Path:
    """The model with weights that no Hub has seen: an upload of known ones would send nothing."""
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(model, scratch / f"model-{uuid.uuid4().hex[:8]}")
    weights = load_file(folder / "model.safetensors")
    save_file(weights, folder / "model.safetensors", {"format": "pt", "seen": uuid.uuid4().hex})
    return folder


class OtherServer:
    """What a redirect leads to: it keeps the headers of its requests."""

    def __init__(self, app: Any):
        self.seen: list[dict[str, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """An ASGI application."""
        self.seen.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"other"})


def trials(names: dict[str, Operation]) -> Iterator[tuple[str, str, str]]:
    """Every operation with every fault at every stage of it."""
    for name, operation in names.items():
        for fault in FAULTS:
            yield from ((name, fault, path) for path in STAGES[operation.direction])


def _tiny(scratch: Path) -> tuple[Path, Path]:
    """A model trained for two steps, and a smaller dataset than its own."""
    from support import save_tiny_backbone

    from cxr.training import run
    from dataset_script.__main__ import main as prepare

    dataset, small, out = scratch / "dataset", scratch / "small", scratch / "run"
    for folder, count in ((dataset, 64), (small, 24)):
        prepared = ["--source", f"phantom={count}", "--image_size", "36", "--num_proc", "1", "--out", str(folder)]
        assert prepare(prepared) == 0
    flags = ["--dataset", str(dataset), "--backbone", str(save_tiny_backbone(scratch / "backbone")), "--use_cpu"]
    flags += ["--output_dir", str(out), "--input_size", "32", "--max_steps", "2", "--precision", "fp32"]
    assert run.main(flags) == 0
    return out / "model", small


def main() -> int:
    """Run all trials and print a row for each."""
    parser = make_parser(__doc__)
    parser.add_argument("--limit", type=float, default=2.0, help="CXR_HUB_TIMEOUT in seconds (2)")
    parser.add_argument("--only", default="", help="run only trials whose name contains one of these, divided by |")
    arguments = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="hub-faults-"))
    from faults import Faults

    faults, others = Faults(), []
    other = LocalHub(scratch / "other", middleware=lambda app: others.append(OtherServer(app)) or others[0]).start()
    with LocalHub(scratch / "hub", middleware=faults.wrap) as hub:
        os.environ.update(environment(hub.url, scratch / "home"))
        os.environ |= {"CXR_HUB_TIMEOUT": str(arguments.limit), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        from PIL import Image

        from cxr.phantom import draw_phantom

        image = scratch / "phantom.png"
        Image.fromarray(draw_phantom(1, 1).image).save(image)
        known = operations(*_tiny(scratch), image, scratch)
        rows, wrong = [], 0
        for name, fault, path in trials(known):
            if not any(part in f"{name}, {fault}, {path}" for part in arguments.only.split("|")):
                continue
            what = dict(FAULTS[fault])
            if fault.startswith("redirect"):
                what["headers"] = {"Location": f"{other.url}/elsewhere"}
            outcome = try_fault(faults, known[name], what, path)
            token = any("authorization" in seen for seen in others[0].seen)
            right = outcome.is_right(arguments.limit) and not token
            wrong += not right
            print(f"{'ok' if right else 'WRONG'} {name} | {fault} | {path or 'all'} | {outcome}", flush=True)
            rows.append(
                (name, fault, path or "all", f"{outcome.seconds:.1f}", outcome.code, outcome.rerun, outcome.line)
            )
    other.stop()
    shutil.rmtree(scratch, ignore_errors=True)
    print(f"{len(rows)} trials, {wrong} wrong; the other server was asked {len(others[0].seen)} times")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
