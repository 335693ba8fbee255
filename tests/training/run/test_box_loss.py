"""The box loss: what is marked, that it moves with the image, what it is worth, and that it leaves a plain ResNet."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from raw import marked_phantoms, prepare
from safetensors.torch import load_file
from support import ROOT
from test_processes import TORCHRUN
from test_resume import STEPS, sha256
from tiny import save_tiny

from cxr.network.activation_map import evidence_by_cell
from cxr.network.model import linear_head
from cxr.schema.labels import COVID, NON_COVID
from cxr.training.arguments import AugmentationArguments
from cxr.training.box_loss import BoxLoss
from cxr.training.data.batches import Augmentation, collator
from cxr.training.data.boxes import SIDE, marked_cells
from cxr.training.run import main

SQUARE = (256, 256)
HEATMAP_WEIGHT = 0.25


def cells(label: int, boxes: list[list[float]], size: tuple[int, int] = SQUARE, input_size: int = 224) -> np.ndarray:
    return marked_cells([{"label": label, "boxes": boxes}], [size], input_size)[0, 0].numpy()


def test_what_is_marked_lies_where_the_network_sees_it():
    """Of 256 pixels the network sees 16…240: a box from there to the middle covers the upper left quarter."""
    seen = cells(COVID, [[16 / 256, 16 / 256, 0.5, 0.5]])
    expected = np.zeros((SIDE, SIDE))
    expected[: SIDE // 2, : SIDE // 2] = 1
    assert (seen == expected).all()


def test_the_long_side_of_an_image_is_cropped_more():
    """512 × 256: the crop is the middle 224 columns, so a box of the left third is not seen at all."""
    assert not cells(COVID, [[0.0, 0.0, 1 / 3 - 0.06, 1.0]], (512, 256)).any()
    assert cells(COVID, [[0.25, 0.0, 0.75, 1.0]], (512, 256)).all()


def test_an_image_without_covid_is_marked_nowhere_and_one_without_marks_is_unknown():
    assert not cells(NON_COVID, []).any()
    assert np.isnan(cells(COVID, [])).all()


@pytest.fixture
def certain() -> BoxLoss:
    """Its read-out's logit is the first of two features, and evidence counts as it is."""
    loss = BoxLoss(2, 1.0, HEATMAP_WEIGHT)
    with torch.no_grad():
        loss.read_out.weight.copy_(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1))
        loss.read_out.bias.zero_()
        loss.offset.zero_()
    return loss


def test_its_value_is_the_cross_entropy_of_the_cells_of_both_maps_averaged_over_all_images(certain):
    """One cell an image and map, logit 0: ln 2 without a mark, twice that with one, nothing where it is unknown."""
    features, evidence = torch.zeros(3, 2, 1, 1), torch.zeros(3, 1, 1, 1)
    marked = torch.stack([torch.zeros(1, 4, 4), torch.ones(1, 4, 4), torch.full((1, 4, 4), torch.nan)])
    assert certain(features, evidence, marked).item() == pytest.approx(
        (1 + HEATMAP_WEIGHT) * (1 + 2 + 0) * math.log(2) / 3, rel=1e-6
    )


def test_maps_that_point_at_the_marks_cost_less(certain):
    marked = torch.zeros(1, 1, 4, 4)
    marked[0, 0, :2, :2] = 1
    towards = torch.full((1, 2, 2, 2), -5.0)
    towards[0, 0, 0, 0] = 5.0
    evidence, away = towards[:, :1], towards.flip(-1)
    assert certain(towards, evidence, marked) < 0.1
    assert certain(away, evidence, marked) > 1
    assert certain(towards, away[:, :1], marked) > HEATMAP_WEIGHT


def test_unknown_marks_leave_no_trace_in_the_gradients(certain):
    features, evidence = torch.randn(2, 2, 2, 2, requires_grad=True), torch.randn(2, 1, 2, 2, requires_grad=True)
    certain(features, evidence, torch.full((2, 1, 4, 4), torch.nan)).backward()
    assert (features.grad == 0).all()
    assert (evidence.grad == 0).all()


def squares(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gray images (N, 3, 64, 64) with a bright square in a random quarter, its marks, and which quarter it is."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.1 * torch.randn(count, 3, 64, 64, generator=generator)
    marked = torch.zeros(count, 1, SIDE, SIDE)
    quarters = torch.randint(4, (count,), generator=generator)
    for index, quarter in enumerate(quarters.tolist()):
        top, left = 32 * (quarter // 2) + 4, 32 * (quarter % 2) + 4
        images[index, :, top : top + 24, left : left + 24] += 2
        marked[index, 0, top : top + 24, left : left + 24] = 1
    return images, marked, quarters


def test_evidence_learns_to_lie_where_people_marked_it(tmp_path):
    """Without a single label: the box loss reaches the head through the class activation map."""
    torch.manual_seed(0)
    model = save_tiny(tmp_path).train()
    loss = BoxLoss(model.config.hidden_sizes[-2], 1.0, 1.0)
    optimizer = torch.optim.Adam([*model.parameters(), *loss.parameters()], lr=3e-3)
    images, marked, _ = squares(64, 0)
    for start in list(range(0, 64, 16)) * 20:
        batch = slice(start, start + 16)
        finer, last = model(images[batch], output_hidden_states=True).hidden_states[-2:]
        evidence = evidence_by_cell(last, linear_head(model).weight, COVID).unsqueeze(1)
        optimizer.zero_grad()
        loss(finer, evidence, marked[batch]).backward()
        optimizer.step()
    unseen, _, quarters = squares(40, 1)
    with torch.inference_mode():
        features = model.eval().resnet(unseen).last_hidden_state
    strongest = evidence_by_cell(features, linear_head(model).weight, COVID).flatten(1).argmax(1)
    assert (strongest == quarters).float().mean() > 0.9


def test_marks_are_moved_as_their_images_are():
    """A white square on black and its marks, through the strongest augmentation, cover each other."""
    drawn = np.zeros(SQUARE, np.uint8)
    drawn[80:160, 40:110] = 255
    row = {"label": COVID, "boxes": [[40 / 256, 80 / 256, 110 / 256, 160 / 256]], "sha256": "ab" * 32}
    row["image"] = Image.fromarray(drawn)
    values = [np.asarray(row["image"].crop((16, 16, 240, 240)), np.float32) / 255]
    batch = collator(lambda images: torch.from_numpy(np.stack(values))[None].expand(-1, 3, -1, -1))([row])
    still = {"brightness": 0.0, "contrast": 0.0, "noise": 0.0}
    augmentation = Augmentation(AugmentationArguments(rotate=30, shift=0.2, zoom=0.3, shear=0.2, **still), 0)
    for step in range(6):
        image = augmentation(batch["pixel_values"], batch["keys"], step)[:, :1]
        marks = augmentation.move(batch["marked"], batch["keys"], step)
        small = torch.nn.functional.adaptive_avg_pool2d(image, (SIDE, SIDE))
        assert (small - marks).abs().mean() < 0.02, step
        assert (small - batch["marked"]).abs().mean() > 0.02, step


WITH_BOXES = ["--box_weight", "1", "--heatmap_weight", "0.5", "--method", "full"]


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of phantoms, with boxes around the lower half of two in three COVID images."""
    folder = tmp_path_factory.mktemp("marked")
    ward = marked_phantoms(folder / "ward", 60, 7000, (number for number in range(1, 60, 2) if number % 3))
    prepare(folder / "out", f"table={ward}", image_size=36, search=False)
    return folder / "out"


@pytest.mark.slow
def test_a_resumed_run_with_boxes_gives_the_same_plain_resnet(train_here, command, marked, tmp_path):
    run = [*command, "--dataset", marked, *STEPS, *WITH_BOXES, "--progressive_resizing", "16=1"]
    whole = train_here(*run, "--output_dir", tmp_path / "whole")
    train_here(*run, "--max_steps", "5")
    resumed = train_here(*run, "--resume_from_checkpoint", "true")
    assert sha256(resumed.parent) == sha256(whole.parent)
    assert not [name for name in load_file(whole / "model.safetensors") if "box_loss" in name]
    recipe = yaml.safe_load((whole / "recipe.yaml").read_text(encoding="utf-8"))
    assert (recipe["box_weight"], recipe["progressive_resizing"]) == (1.0, ["16=1"])


@pytest.mark.slow
def test_two_processes_train_with_boxes(command, env, marked, tmp_path):
    run = [*command, "--dataset", str(marked), *WITH_BOXES, "--output_dir", str(tmp_path / "two")]
    start, two = [sys.executable, "-m", *TORCHRUN.split(), *run], env | {"ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(start, cwd=ROOT, env=two, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    training = json.loads((tmp_path / "two/model/metrics.json").read_text(encoding="utf-8"))["training"]
    assert (training["processes"], training["box_weight"], training["heatmap_weight"]) == (2, 1.0, 0.5)


def test_boxes_change_what_is_learned(train_here, command, marked, tmp_path):
    run = [*command, "--dataset", marked, "--max_steps", "3", "--load_best_model_at_end", "false"]
    without = train_here(*run, "--method", "full", "--output_dir", tmp_path / "without")
    with_boxes = train_here(*run, *WITH_BOXES, "--output_dir", tmp_path / "with")
    assert sha256(with_boxes.parent) != sha256(without.parent)


def test_a_dataset_without_boxes_is_refused(fails, command):
    line = fails(main, *command[1:], *WITH_BOXES)
    assert line.startswith("error: --box_weight 1.0: no image of --dataset ")
