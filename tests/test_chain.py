"""The one end-to-end chain: prepare → train → kill → resume → publish → pull → the app answers."""

import json
import signal
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from huggingface_hub import HfApi
from PIL import Image
from support import save_tiny_backbone, serving, stop_after_checkpoint

from cxr import hub as client
from cxr.phantom import draw_phantom
from cxr.schema.labels import COVID
from cxr.schema.verdicts import DISCLAIMER
from cxr.training.publishing.publication import phantom_logits

BACKBONE, MODEL = "demo/chain-backbone", "demo/chain"


def prepare(run_cli, out: Path) -> None:
    done = run_cli(["-m", "dataset_script", "--source", "phantom=60", "--image_size", "36", "--out", out])
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_from_raw_images_to_an_answer(run_cli, env, tmp_path):
    prepare(run_cli, tmp_path / "dataset")
    HfApi().create_repo(BACKBONE, exist_ok=True)
    HfApi().upload_folder(repo_id=BACKBONE, folder_path=save_tiny_backbone(tmp_path / "backbone"))
    run = tmp_path / "run"
    command = ["train_hf.py", "--dataset", str(tmp_path / "dataset"), "--backbone", BACKBONE, "--output_dir", str(run)]
    command += ["--input_size", "32", "--per_device_train_batch_size", "8", "--max_steps", "6", "--use_cpu"]
    command += ["--eval_strategy", "steps", "--save_strategy", "steps", "--eval_steps", "2", "--save_steps", "2"]
    assert stop_after_checkpoint(command, env, run / "checkpoint-2", signal.SIGKILL) == -signal.SIGKILL
    assert not (run / "model").exists()
    publication = ["--push_to_hub", "--hub_model_id", MODEL, "--hub_tag", "v1"]
    done = run_cli([*command, "--resume_from_checkpoint", "true", *publication])
    assert done.returncode == 0, done.stderr[-2000:]
    pulled = client.pull(MODEL, "v1")
    assert f"published {MODEL} at revision {pulled.revision}" in done.stdout
    assert (phantom_logits(pulled.folder) - phantom_logits(run / "model")).abs().max() <= 1e-5
    image = tmp_path / "phantom.png"
    Image.fromarray(draw_phantom(5, COVID).image).save(image)
    with serving("--model", MODEL, "--revision", "v1") as url:
        answer = Client(url, verbose=False).predict(handle_file(image), api_name="/predict")
    told = run_cli(["predict.py", "--model", run / "model", "--json", image])
    assert answer["probability"] == pytest.approx(json.loads(told.stdout)["probability"], abs=1e-6)
    assert answer["revision"] == pulled.revision
    assert answer["model_id"] == MODEL
    assert DISCLAIMER in answer["disclaimer"]
