"""Opening prepared datasets, checking that they follow Contract 1 and that no external set overlaps with training."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import datasets
import pyarrow.parquet as pq

from cxr import hub
from cxr.errors import UserError, disk_problem, one_line
from cxr.imaging.geometry import short_side
from cxr.overlap import OVERLAP_COLUMNS, find_overlap
from cxr.schema.dataset import SPLITS, is_synthetic
from cxr.schema.dataset_card import CARD
from cxr.schema.labels import LABELS
from cxr.schema.report import Report
from cxr.training.data import verification
from cxr.training.data.images import Shards, UnreadableData, load_splits, open_shard, undecoded, with_place
from cxr.training.data.streaming import Streamed, stream
from cxr.training.data.verification import AGAIN

_PREPARE = "prepare it with `python -m dataset_script`"
_ABOUT = (CARD, "*.json")
_SHARDS = "*.parquet"
_BATCH = 10_000


@dataclass(frozen=True)
class XrayDataset:
    """The splits, the preparation's report, and where both come from (`revision` is None for a folder).

    `train_facts` streams `OVERLAP_COLUMNS` of the training split if that split is streamed; otherwise it is None.
    Images are bytes, which `image_of` decodes.
    """

    splits: datasets.DatasetDict
    report: Report
    name: str
    revision: str | None
    train_facts: datasets.IterableDataset | None = None
    shards: Shards = field(default_factory=dict)

    @property
    def synthetic(self) -> bool:
        """Whether every image is a phantom, so that no score says anything about patients."""
        return is_synthetic(self.report["counts"])


def load(
    dataset: str,
    revision: str | None,
    input_size: int | None,
    splits: Sequence[str] = SPLITS,
    flag: str = "--dataset",
    streaming: bool = False,
    verify: bool = True,
) -> XrayDataset:
    """Open a prepared dataset, on disk or on the Hub at one commit, and check it against Contract 1.

    `splits` are those that it must have; `flag` is how messages refer to it; with `streaming`, the training split is
    not fetched here. `verify` also makes the checks that read every file, of which one process is enough. Without an
    `input_size`, any size of images will do.

    Raises:
        UserError: if it cannot be read, is not as `dataset_script` prepared it, or is too small for `input_size`.
    """
    where = f"{flag} {dataset}"
    if Path(dataset).is_dir():
        opened = _from_folder(Path(dataset), where, streaming)
    elif dataset.startswith((".", "/", "~")) or dataset.count("/") != 1:
        raise UserError(f"{where}: no such folder; {_PREPARE}")
    else:
        opened = _from_hub(dataset, revision, where, streaming)
    _check_contract(opened, splits, where)
    if input_size is not None:
        _check_image_size(opened, input_size, where)
    if verify:
        _verify(opened, splits, where)
    return opened


def _verify(dataset: XrayDataset, splits: Sequence[str], where: str) -> None:
    verification.verify_digests(_on_this_disk(dataset.shards), where)
    verification.verify_splits({split: _split_facts(dataset, split) for split in splits}, where)
    for split in splits:
        if split != "train":
            try:
                verification.verify_images(dataset.splits[split])
            except UnreadableData as error:
                raise UserError(f"{where}: {with_place(error, dataset.shards)}; {AGAIN}") from error


def load_external(
    external: Sequence[str], training: XrayDataset, input_size: int, verify: bool = True
) -> dict[str, XrayDataset]:
    """Open every `NAME=DATASET`, by its name; only its `test` split is needed.

    Raises:
        UserError: if one cannot be read, or shares a patient, a file or a near-duplicate with the training dataset.
    """
    opened = {}
    for name, _, dataset in (item.partition("=") for item in external):
        opened[name] = load(dataset, None, input_size, ("test",), f"--external {name}:", verify=verify)
        if not verify:
            continue
        shared = find_overlap(overlap_columns(training, SPLITS), overlap_columns(opened[name], ("test",)))
        if any(shared):
            raise UserError(
                f"--external {name}: {shared.patients} of its images share a patient, {shared.files} a file and "
                f"{shared.near_duplicates} are near-duplicates of images in --dataset {training.name}: prepare "
                "both together, with `python -m dataset_script … --external NAME`"
            )
    return opened


def overlap_columns(dataset: XrayDataset, splits: Sequence[str]) -> dict[str, list[str]]:
    """`OVERLAP_COLUMNS` of some splits; no image is read, not even from a streamed split."""
    columns = [_split_facts(dataset, split) for split in splits]
    return {name: [value for part in columns for value in part[name]] for name in OVERLAP_COLUMNS}


def _split_facts(dataset: XrayDataset, split: str) -> Mapping[str, list[str]]:
    if split != "train" or dataset.train_facts is None:
        return dataset.splits[split].select_columns(OVERLAP_COLUMNS)[:]
    batches = list(dataset.train_facts.batch(_BATCH))
    return {name: [value for batch in batches for value in batch[name]] for name in OVERLAP_COLUMNS}


def _from_folder(folder: Path, where: str, streaming: bool) -> XrayDataset:
    report = verification.read_report(folder, where)
    with _explained(where):
        opened = _open(folder, where, report, streaming)
    return XrayDataset(undecoded(opened.splits), report, folder.resolve().name, None, opened.facts, opened.shards)


def _from_hub(repo_id: str, revision: str | None, where: str, streaming: bool) -> XrayDataset:
    sha = hub.resolve(repo_id, revision, repo_type="dataset")
    folder = hub.fetch(repo_id, sha, _ABOUT if streaming else (*_ABOUT, _SHARDS), repo_type="dataset")
    report = verification.read_report(folder, where)
    with hub.explained(repo_id, revision), _explained(where):
        opened = _stream(repo_id, sha, where, report) if streaming else _open(folder, where, report, streaming=False)
    return XrayDataset(undecoded(opened.splits), report, repo_id, sha, opened.facts, opened.shards)


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """Turn what `datasets` raises of a folder into one line; the errors of the Hub stay as they are."""
    try:
        yield
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        problem = disk_problem(error)
        if problem:
            raise UserError(f"{where} cannot be opened ({problem}): HF_HOME names the folder of its copy") from error
        if isinstance(error, hub.HUB_ERRORS) and isinstance(error, ConnectionError | TimeoutError):
            raise
        raise UserError(f"{where} cannot be read ({one_line(error)}): {_PREPARE}") from error


def _open(folder: Path, where: str, report: Report, streaming: bool) -> Streamed:
    """Check the files of a folder, then open its splits."""
    builder = datasets.load_dataset_builder(str(folder))
    shards = {split: list(names) for split, names in builder.config.data_files.items()}
    root = os.path.abspath(folder)
    for name in (name for names in shards.values() for name in names):
        if not os.path.abspath(name).startswith(root + os.sep):
            raise UserError(f"{where}: its card names {name}, which is not in the folder; {AGAIN}")
    verification.check_shards(shards, report, where)
    if streaming:
        return stream(str(folder), None)
    return Streamed(load_splits(shards, builder.info.features), None, shards)


def _stream(repo_id: str, sha: str, where: str, report: Report) -> Streamed:
    """Check what is fetched of a repo, and the columns of the first of the files that are streamed."""
    opened = stream(repo_id, sha)
    verification.check_shards(_on_this_disk(opened.shards), report, where)
    for name in opened.shards.get("train", [])[:1]:
        with open_shard(name) as file:
            verification.check_columns(pq.read_schema(file), f"{where}: {Path(name).name}")
    return opened


def _on_this_disk(shards: Shards) -> Shards:
    return {split: names for split, names in shards.items() if not any("://" in name for name in names)}


def _check_contract(dataset: XrayDataset, splits: Sequence[str], where: str) -> None:
    for name in splits:
        if name not in dataset.splits:
            raise UserError(f"{where} has no {name} split: {_PREPARE}")
        names = getattr(dataset.splits[name].features.get("label"), "names", None)
        if names != LABELS:
            raise UserError(f"{where}: its labels are {names}, not {LABELS}; {_PREPARE}")


def _check_image_size(dataset: XrayDataset, input_size: int, where: str) -> None:
    needed, available = short_side(input_size), dataset.report["image_size"]
    if available < needed:
        raise UserError(
            f"{where} was prepared at {available} px but --input_size {input_size} needs {needed}: "
            f"prepare it again with --image_size {needed}"
        )
