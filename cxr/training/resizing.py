"""Progressive resizing: the first epochs see smaller images, which costs less and learns what is coarse first.

The schedule of Tan & Le (2021, arXiv 2104.00298), in steps that are given by hand. The network is convolutional and
averages its last feature map, so its weights fit images of any size; the last epochs fit them to the final one.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional

from cxr.errors import UserError

_SMALLEST = 16


class ProgressiveResizing:
    """Which size images have in which epoch, and their resizing to it.

    `stages` are texts such as `64=16` and `96=6`: 16 epochs at 64 pixels, then 6 at 96, then the final size.

    Raises:
        UserError: for a text of another form, or a size that is no smaller one.
    """

    def __init__(self, stages: Sequence[str], final_size: int):
        self._sizes_until: list[tuple[int, int]] = []
        epochs = 0
        for text in (part for stage in stages for part in stage.split(",")):
            size, _, length = text.partition("=")
            if not (size.isdecimal() and length.isdecimal() and int(length)):
                raise UserError(f"--progressive_resizing {text}: expected SIZE=EPOCHS, such as 64=16")
            if not _SMALLEST <= int(size) < final_size:
                raise UserError(
                    f"--progressive_resizing {text}: a size from {_SMALLEST} to below --input_size {final_size}"
                )
            epochs += int(length)
            self._sizes_until.append((epochs, int(size)))

    @property
    def epochs(self) -> int:
        """The number of epochs before the first one at the final size."""
        return max((end for end, _ in self._sizes_until), default=0)

    def __call__(self, pixel_values: torch.Tensor, epoch: float) -> torch.Tensor:
        """Resize images (N, C, S, S) to the size that belongs to `epoch`, of which the first is 0…1."""
        size = next((size for end, size in self._sizes_until if epoch < end), None)
        if size is None:
            return pixel_values
        return functional.interpolate(pixel_values, size=(size, size), mode="bilinear", antialias=True)
