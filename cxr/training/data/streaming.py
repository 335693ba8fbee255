"""A training split that is read while training, for datasets larger than the disk or the memory.

Shards are row groups of the Parquet files. They are distributed over the processes and the data-loading workers of
each. Their order and that of a shuffle buffer depend only on (seed, epoch), so a resumed run continues with exactly the
image that the interrupted one would have read next.
"""

import glob
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import datasets
import httpx2
from datasets.distributed import split_dataset_by_node
from pyarrow.dataset import ParquetFragmentScanOptions
from torch.utils.data import IterableDataset, get_worker_info

from cxr import hub, overlap
from cxr.errors import one_line
from cxr.training.data.batches import COLUMNS
from cxr.training.data.images import Row, Shards, UnreadableData, load_splits


class Streamed(NamedTuple):
    """The splits, of which `train` is a stream; `overlap.OVERLAP_COLUMNS` of `train`; and the files of all splits."""

    splits: datasets.DatasetDict
    facts: datasets.IterableDataset | None
    shards: Shards


def stream(dataset: str, revision: str | None) -> Streamed:
    """Open a folder or a repo on the Hub.

    Validation and test are read in full; no other file of the dataset is fetched. The stream has no whole file whose
    hash it could compare, so the checksum of each Parquet page is: damage raises an error.
    """
    checked = {"fragment_scan_options": ParquetFragmentScanOptions(page_checksum_verification=True)}
    builder = datasets.load_dataset_builder(dataset, revision=revision, columns=COLUMNS, **checked)
    files = {split: list(names) for split, names in builder.config.data_files.items()}
    whole = {split: _on_disk(names, dataset, revision) for split, names in files.items() if split != "train"}
    splits = load_splits(whole)
    if "train" not in files:
        return Streamed(splits, None, whole)
    splits["train"] = builder.as_streaming_dataset("train").reshard()
    facts = datasets.load_dataset_builder(dataset, revision=revision, columns=overlap.OVERLAP_COLUMNS, **checked)
    return Streamed(splits, facts.as_streaming_dataset("train"), {"train": files["train"]} | whole)


def _on_disk(names: list[str], dataset: str, revision: str | None) -> list[str]:
    """The files themselves for a folder; for a repo on the Hub, the same files fetched and checked."""
    if revision is None:
        return names
    relative = [name.removeprefix(f"hf://datasets/{dataset}@{revision}/") for name in names]
    folder = hub.fetch(dataset, revision, [glob.escape(name) for name in relative], repo_type="dataset")
    return [str(folder / name) for name in relative]


class TrainingStream(IterableDataset[Row]):
    """One process's part of a streamed split: in every epoch the same number of full batches for each process.

    A process whose shards hold too few images starts over with them; images that are left over are read in another
    epoch, whose order differs.
    """

    def __init__(
        self,
        rows: datasets.IterableDataset,
        images: int,
        batch_size: int,
        seed: int,
        buffer: int,
        rank: int = 0,
        processes: int = 1,
    ):
        shuffled = rows.shuffle(seed=seed, buffer_size=buffer)
        self.rows = split_dataset_by_node(shuffled, rank, processes)
        self.batch_size, self.steps = batch_size, max(1, images // (batch_size * processes))

    @property
    def shards(self) -> int:
        """The number of data-loading workers that can each have a shard of their own."""
        return self.rows.num_shards

    def set_epoch(self, epoch: int) -> None:
        """Switch to the order of this epoch."""
        self.rows.set_epoch(epoch)

    def __len__(self) -> int:
        return self.steps * self.batch_size

    def __iter__(self) -> Iterator[Row]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        batches = len(range(number, self.steps, workers))
        endless = itertools.chain.from_iterable(itertools.repeat(self.rows))
        try:
            yield from itertools.islice(endless, batches * self.batch_size)
        except (OSError, ValueError, httpx2.HTTPError) as error:
            raise UnreadableData(f"the training split could not be read to its end ({one_line(error)})") from error
