"""Pooled features of pictures, computed once by a backbone that stays as it is: what a linear head is fitted to."""

from collections.abc import Iterator
from dataclasses import dataclass

import datasets
import torch
from accelerate.utils import gather_object
from torch.utils.data import DataLoader

from cxr.training.fitting.trainer import CovidTrainer

PICTURES = 20_000
"""A linear head of some thousand weights learns little more from more pictures, and these fit into memory."""


@dataclass(frozen=True)
class Features:
    """Pooled features float32 (N, C) and labels int64 (N,), on the CPU."""

    values: torch.Tensor
    labels: torch.Tensor


@torch.inference_mode()
def pooled(trainer: CovidTrainer, rows: datasets.Dataset | datasets.IterableDataset, views: int = 1) -> Features:
    """Features of `views` views of each of the first `PICTURES` pictures: the plain one, then augmented ones.

    Whole batches are dealt to the processes and put back into their order, so all of them get the same features,
    however many they are. No global random state is read or moved.
    """
    backbone, found = trainer.model.resnet.eval(), []
    for number, batch in _my_batches(trainer, rows):
        pixel_values, keys = batch["pixel_values"].to(trainer.args.device), batch["keys"]
        for view in range(views):
            varied = trainer.augmentation(pixel_values, keys, view) if view else pixel_values
            with trainer.accelerator.autocast():
                output = backbone(varied.contiguous(memory_format=torch.channels_last)).pooler_output
            found.append((number, output.flatten(1).float().cpu(), batch["labels"]))
    found = sorted(gather_object(found), key=lambda part: part[0])
    return Features(torch.cat([part[1] for part in found]), torch.cat([part[2] for part in found]))


def _my_batches(
    trainer: CovidTrainer, rows: datasets.Dataset | datasets.IterableDataset
) -> Iterator[tuple[int, dict[str, torch.Tensor]]]:
    """Every batch that falls to this process, with its place among all of them."""
    run = trainer.args
    size, rank, processes = run.per_device_eval_batch_size, run.process_index, run.world_size
    options = {"collate_fn": trainer.data_collator, "generator": torch.Generator()}
    if isinstance(rows, datasets.IterableDataset):
        workers = min(run.dataloader_num_workers, rows.num_shards)
        loader = DataLoader(rows.take(PICTURES), batch_size=size, num_workers=workers, **options)
        yield from ((number, batch) for number, batch in enumerate(loader) if number % processes == rank)
        return
    count = min(PICTURES, len(rows))
    mine = [range(start, min(start + size, count)) for start in range(0, count, size)][rank::processes]
    loader = DataLoader(rows, batch_sampler=mine, num_workers=run.dataloader_num_workers, **options)
    yield from ((rank + processes * number, batch) for number, batch in enumerate(loader))
