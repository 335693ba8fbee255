"""The whole loop on this machine, with no account and no network; `make demo` runs this file.

Draws synthetic radiographs, trains a ResNet-50 on them, publishes it to an embedded Hub, pulls it back and serves it
with the app, which answers one request. Every step is the command that users run; only `HF_ENDPOINT` differs.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cxr.cli import OneLineErrors, command, end_on_signals
from cxr.errors import UserError
from cxr.local_hub import TOKEN, USER, LocalHub, Tokens, environment

ROOT = Path(__file__).resolve().parent
BACKBONE = "microsoft/resnet-50"
MODEL, TAG = f"{USER}/covid-cxr-phantom", "v1"
PHANTOMS, SHORT_SIDE = 1000, 146
REQUIRED_AUROC = 0.90
SECONDS = "seconds.json"
"""File in the folder of a demo: how long each phase took."""
_TOKENS: Tokens = {TOKEN: {"name": USER, "role": "write", "orgs": [BACKBONE.split("/")[0]]}}


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run the loop; keep serving unless `--no_serve`."""
    parser = OneLineErrors(prog="demo.py", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "demo", help="folder to work in; emptied first")
    parser.add_argument("--no_serve", action="store_true", help="stop after the app's first answer")
    arguments = parser.parse_args(argv)
    end_on_signals()
    out = _empty(arguments.out)
    with LocalHub(out / "hub", tokens=_TOKENS) as hub:
        # Before `huggingface_hub` is imported, which reads these settings: so the imports in the functions below.
        os.environ.update(environment(hub.url, out / "hf_home"))
        print(f"Embedded Hub at {hub.url}: nothing leaves this machine.", flush=True)
        train_and_publish(out)
        serve(out, keep_serving=not arguments.no_serve)


def train_and_publish(out: Path) -> None:
    """Publish a backbone, prepare a dataset, train on it, evaluate and publish.

    Raises:
        UserError: if a step fails, or the model does not reach the AUROC that phantoms allow.
    """
    dataset, run = str(out / "dataset"), str(out / "run")
    with _phase(out, f"Publishing a stand-in for {BACKBONE} with random weights"):
        _publish_backbone(out / "backbone")
    with _phase(out, f"Drawing {PHANTOMS} phantoms and preparing a dataset"):
        source = ["--source", f"phantom={PHANTOMS}", "--image_size", str(SHORT_SIDE)]
        _run("-m", "dataset_script", *source, "--out", dataset)
    with _phase(out, "Training, evaluating the reloaded model, writing its card and publishing it"):
        publication = ["--push_to_hub", "--hub_model_id", MODEL, "--hub_tag", TAG]
        _run("train_hf.py", "recipes/demo.yaml", "--dataset", dataset, "--output_dir", run, *publication)
    auroc = json.loads((out / "run/model/metrics.json").read_text(encoding="utf-8"))["test"]["auroc"]
    if auroc < REQUIRED_AUROC:
        raise UserError(f"test AUROC {auroc:.3f} on phantoms is below {REQUIRED_AUROC}: training did not work")


def serve(out: Path, *, keep_serving: bool) -> None:
    """Start the app with the published model, request one answer, and keep serving until Ctrl-C if asked to."""
    with _phase(out, f"Pulling the model at {TAG} and starting the app"):
        app, url = _start_app()
    try:
        with _phase(out, "Requesting an answer for a synthetic radiograph with COVID-like opacities"):
            print(json.dumps(_request_answer(url, out / "question.png"), indent=2))
        if keep_serving:
            print(f"\nServing on {url} until Ctrl-C.", flush=True)
            app.wait()
    finally:
        app.terminate()
        app.wait()


@contextmanager
def _phase(out: Path, name: str) -> Iterator[None]:
    """Announce a phase, print how long it took, and add that to `SECONDS`."""
    print(f"\n== {name}", flush=True)
    start = time.monotonic()
    yield
    seconds, record = time.monotonic() - start, out / SECONDS
    print(f"== done in {seconds:.0f} s", flush=True)
    earlier = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    record.write_text(json.dumps(earlier | {name: seconds}, indent=2), encoding="utf-8")


def _publish_backbone(folder: Path) -> None:
    from huggingface_hub import HfApi

    from cxr.network.model import save_stand_in_backbone

    save_stand_in_backbone(folder)
    HfApi().create_repo(BACKBONE)
    HfApi().upload_folder(repo_id=BACKBONE, folder_path=folder)


def _start_app() -> tuple[subprocess.Popen[str], str]:
    """Start the app on a free port; returns its process and its address once it listens."""
    from cxr import hub

    command = [sys.executable, "app.py", "--model", MODEL, "--revision", hub.resolve(MODEL, TAG)]
    app = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for line in app.stdout or ():
        print(line, end="", flush=True)
        if line.startswith("Listening on "):
            return app, line.removeprefix("Listening on ").strip()
    raise UserError(f"the app ended with code {app.wait()} before it listened: see above")


def _request_answer(url: str, image: Path) -> dict[str, object]:
    """The app's answer to a phantom that is not in the dataset, over its HTTP API."""
    from gradio_client import Client, handle_file
    from PIL import Image

    from cxr.phantom import draw_phantom
    from cxr.schema.labels import COVID

    Image.fromarray(draw_phantom(10**6, COVID).image).save(image)
    return Client(url, verbose=False).predict(handle_file(image), api_name="/predict")


def _run(*arguments: str) -> None:
    code = subprocess.run([sys.executable, *arguments], cwd=ROOT).returncode
    if code:
        raise UserError(f"`python {' '.join(arguments)}` ended with code {code}: see its message above")


def _empty(out: Path) -> Path:
    """Start with an empty folder, but never delete one that is not an earlier demo's."""
    if out.exists() and any(out.iterdir()) and not (out / "hub").is_dir():
        raise UserError(f"--out {out} holds other files: choose an empty or a new folder")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    return out.resolve()


if __name__ == "__main__":
    raise SystemExit(main())
