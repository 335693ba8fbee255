"""A training split that is read as it is needed, for datasets larger than the disk or the memory.

The shards are row groups of the Parquet files, dealt to processes and to the data-loading workers of each. Their order
and a shuffle buffer are drawn anew from (seed, epoch), so a resumed run skips to the very picture it stopped before.
"""

import itertools
from collections.abc import Iterator

import datasets
from datasets.distributed import split_dataset_by_node
from torch.utils.data import IterableDataset, get_worker_info

from cxr import overlap

COLUMNS = ["image", "label", "sha256"]
"""What the network's input is made from; nothing else of a row is read while training."""


def stream(dataset: str, revision: str | None) -> tuple[datasets.DatasetDict, datasets.IterableDataset]:
    """Open a folder or a repo on the Hub: its splits, `train` as a stream, and `overlap.COLUMNS` of `train`.

    Validation and test are read in full, and no other file of the dataset is.
    """
    builder = datasets.load_dataset_builder(dataset, revision=revision, columns=COLUMNS)
    files = builder.config.data_files
    whole = {split: names for split, names in files.items() if split != "train"}
    splits = datasets.load_dataset("parquet", data_files=whole)
    if "train" not in files:
        return splits, None
    splits["train"] = builder.as_streaming_dataset("train").reshard()
    facts = datasets.load_dataset_builder(dataset, revision=revision, columns=overlap.OVERLAP_COLUMNS)
    return splits, facts.as_streaming_dataset("train")


class TrainingStream(IterableDataset):
    """One process's part of a streamed split: the same number of whole batches for every process, epoch after epoch.

    A process whose shards hold too few pictures begins them again; what is left over comes in another epoch's order.
    """

    def __init__(
        self,
        rows: datasets.IterableDataset,
        pictures: int,
        batch_size: int,
        seed: int,
        buffer: int,
        rank: int = 0,
        processes: int = 1,
    ):
        shuffled = rows.shuffle(seed=seed, buffer_size=buffer)
        self.rows = split_dataset_by_node(shuffled, rank, processes)
        self.batch_size, self.steps = batch_size, max(1, pictures // (batch_size * processes))

    @property
    def shards(self) -> int:
        """How many data-loading workers can each have a shard of their own."""
        return self.rows.num_shards

    def set_epoch(self, epoch: int) -> None:
        """Draw another order."""
        self.rows.set_epoch(epoch)

    def __len__(self) -> int:
        return self.steps * self.batch_size

    def __iter__(self) -> Iterator[dict]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        batches = len(range(number, self.steps, workers))
        again = itertools.chain.from_iterable(itertools.repeat(self.rows))
        return itertools.islice(again, batches * self.batch_size)
