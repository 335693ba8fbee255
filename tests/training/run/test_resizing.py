"""Progressive resizing: which size the network is given in which epoch."""

import pytest
import torch

from cxr.errors import UserError
from cxr.training.resizing import ProgressiveResizing


@pytest.mark.parametrize("stages", [["64=2", "96=1"], ["64=2,96=1"]])
def test_each_stage_lasts_for_its_epochs(stages):
    resizing = ProgressiveResizing(stages, 128)
    images = torch.zeros(2, 3, 128, 128)
    sizes = {epoch: resizing(images, epoch).shape[-1] for epoch in (0, 1.99, 2, 2.99, 3, 7)}
    assert sizes == {0: 64, 1.99: 64, 2: 96, 2.99: 96, 3: 128, 7: 128}
    assert resizing.epochs == 3


def test_without_stages_images_are_left_alone():
    images = torch.zeros(2, 3, 128, 128)
    assert ProgressiveResizing([], 128)(images, 0) is images


def test_fine_detail_is_averaged_and_not_dropped():
    """A checkerboard of single pixels becomes its mean, gray."""
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2
    small = ProgressiveResizing(["32=1"], 64)(board.expand(1, 3, -1, -1).float(), 0)
    assert (small[..., 2:-2, 2:-2] - 0.5).abs().max() < 0.01


@pytest.mark.parametrize("text", ["64", "64=", "=3", "64=0", "64=-1", "sixty=4", "64=1.5", ""])
def test_a_stage_of_another_form_is_named(text):
    with pytest.raises(UserError, match=f"--progressive_resizing {text}: expected SIZE=EPOCHS"):
        ProgressiveResizing([text], 128)


@pytest.mark.parametrize("text", ["128=1", "512=1", "8=1"])
def test_a_stage_must_be_smaller_than_the_input(text):
    with pytest.raises(UserError, match=f"--progressive_resizing {text}: a size from 16 to below --input_size 128"):
        ProgressiveResizing([text], 128)
