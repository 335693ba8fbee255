"""The whole loop on this machine, with no account and no network: `make demo` runs this file.

Synthetic radiographs are drawn, a ResNet-50 is trained on them and published to an embedded Hub, and the app pulls it
back and answers one request to its HTTP API. The commands are those that users run; only `HF_ENDPOINT` differs.
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

from cxr.cli import OneLineErrors, command
from cxr.errors import UserError
from cxr.local_hub import TOKEN, USER, LocalHub, Tokens, environment

ROOT = Path(__file__).resolve().parent
BACKBONE = "microsoft/resnet-50"
MODEL = f"{USER}/covid-cxr-phantom"
PHANTOMS, SHORT_SIDE = 1000, 146
REQUIRED_AUROC = 0.90
_ACCOUNT: Tokens = {TOKEN: {"name": USER, "role": "write", "orgs": [BACKBONE.split("/")[0]]}}


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run the loop; keep serving unless `--no_serve`."""
    parser = OneLineErrors(prog="demo.py", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "demo", help="folder to work in; emptied first")
    parser.add_argument("--no_serve", action="store_true", help="end after the app's first answer")
    arguments = parser.parse_args(argv)
    out = _emptied(arguments.out)
    with LocalHub(out / "hub", tokens=_ACCOUNT) as hub:
        os.environ.update(environment(hub.url, out / "hf_home"))
        print(f"Embedded Hub at {hub.url}: nothing leaves this machine.", flush=True)
        run_loop(out)
        with phase("app: pull the model at its revision and start"):
            app, url = start_app(_published_revision())
        try:
            ask(url, out)
            if not arguments.no_serve:
                print(f"\nServing on {url} until Ctrl-C.", flush=True)
                app.wait()
        finally:
            app.terminate()
            app.wait()


def run_loop(out: Path) -> None:
    """Publish a backbone, prepare a dataset, train, evaluate and publish the model, each with its own command.

    Raises:
        UserError: if a step fails, or the model does not learn what any model should.
    """
    dataset, run = str(out / "dataset"), str(out / "run")
    with phase(f"backbone: a stand-in for {BACKBONE} with random weights, on the embedded Hub"):
        _publish_stand_in(out / "backbone")
    with phase(f"dataset: draw and prepare {PHANTOMS} phantoms"):
        source = ["--source", f"phantom={PHANTOMS}", "--image_size", str(SHORT_SIDE)]
        _run("-m", "dataset_script", *source, "--out", dataset)
    with phase("training: fine-tune, evaluate the reloaded model, write the card, publish"):
        publication = ["--push_to_hub", "--hub_model_id", MODEL, "--hub_tag", "v1"]
        _run("train_hf.py", "recipes/demo.yaml", "--dataset", dataset, "--output_dir", run, *publication)
    auroc = json.loads((out / "run/model/metrics.json").read_text(encoding="utf-8"))["test"]["auroc"]
    if auroc < REQUIRED_AUROC:
        raise UserError(f"test AUROC {auroc:.3f} on phantoms is below {REQUIRED_AUROC}: training did not work")


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Announce a phase and print how long it took."""
    print(f"\n== {name}", flush=True)
    start = time.monotonic()
    yield
    print(f"== done in {time.monotonic() - start:.0f} s", flush=True)


def start_app(revision: str) -> tuple[subprocess.Popen[str], str]:
    """Start the app on a free port; returns its process and address once it listens."""
    command = [sys.executable, "app.py", "--model", MODEL, "--revision", revision]
    app = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for line in app.stdout or ():
        print(line, end="", flush=True)
        if line.startswith("Listening on "):
            return app, line.removeprefix("Listening on ").strip()
    raise UserError(f"the app ended with code {app.wait()} before it listened: see above")


def ask(url: str, out: Path) -> None:
    """Ask the app about one phantom it has not seen, over its own HTTP API, and print the answer."""
    from gradio_client import Client, handle_file
    from PIL import Image

    from cxr.phantom import draw_phantom
    from cxr.schema.labels import COVID

    image = out / "question.png"
    Image.fromarray(draw_phantom(10**6, COVID).image).save(image)
    with phase("question: a synthetic radiograph with COVID-like opacities"):
        answer = Client(url, verbose=False).predict(handle_file(image), api_name="/predict")
    print(json.dumps(answer, indent=2))


def _published_revision() -> str:
    from cxr import hub

    return hub.resolve(MODEL, "v1")


def _publish_stand_in(folder: Path) -> None:
    from huggingface_hub import HfApi

    from cxr.model import save_stand_in_backbone

    save_stand_in_backbone(folder)
    HfApi().create_repo(BACKBONE)
    HfApi().upload_folder(repo_id=BACKBONE, folder_path=folder)


def _run(*command: str) -> None:
    code = subprocess.run([sys.executable, *command], cwd=ROOT).returncode
    if code:
        raise UserError(f"`python {' '.join(command)}` ended with code {code}: see its message above")


def _emptied(out: Path) -> Path:
    """Start from nothing, but never delete a folder that is not an earlier demo's."""
    if out.exists() and any(out.iterdir()) and not (out / "hub").is_dir():
        raise UserError(f"--out {out} holds other files: name an empty or a new folder")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    return out.resolve()


if __name__ == "__main__":
    raise SystemExit(main())
