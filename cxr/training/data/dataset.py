"""Opening a dataset that follows Contract 1, checking that it does, and batching it for the network."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import torch
from huggingface_hub import hf_hub_download
from transformers import BaseImageProcessor

from cxr import hub
from cxr.errors import UserError, one_line
from cxr.imaging.geometry import short_side
from cxr.imaging.preprocess import to_pixel_values
from cxr.overlap import OVERLAP_COLUMNS, find_overlap
from cxr.schema.dataset import SPLITS, is_synthetic
from cxr.schema.dataset_card import live_report
from cxr.schema.labels import LABELS
from cxr.training.data.streaming import stream

_PREPARE = "prepare it with `python -m dataset_script`"


@dataclass(frozen=True)
class XrayDataset:
    """The three splits, the preparation's report, and where they came from (`revision` is None for a folder).

    `train_facts` streams `overlap.COLUMNS` of the training split where that split is streamed, else it is None.
    """

    splits: datasets.DatasetDict
    report: dict
    name: str
    revision: str | None
    train_facts: datasets.IterableDataset | None = None

    @property
    def synthetic(self) -> bool:
        """Whether every picture is a phantom, so that no score says anything about patients."""
        return is_synthetic(self.report["counts"])


def load(
    dataset: str,
    revision: str | None,
    input_size: int,
    splits: Sequence[str] = SPLITS,
    flag: str = "--dataset",
    streaming: bool = False,
) -> XrayDataset:
    """Open a prepared dataset, on disk or on the Hub at one commit, and check it against Contract 1.

    `splits` are those that it must have; `flag` is what messages call it by; with `streaming`, nothing of the training
    split is fetched before it is needed.

    Raises:
        UserError: if it cannot be had, was not prepared by `dataset_script`, or is too small for `input_size`.
    """
    if Path(dataset).is_dir():
        found = _from_folder(Path(dataset), flag, streaming)
    elif dataset.startswith((".", "/", "~")) or dataset.count("/") != 1:
        raise UserError(f"{flag} {dataset}: no such folder; {_PREPARE}")
    else:
        found = _from_hub(dataset, revision, streaming)
    _check(found, input_size, splits, flag)
    return found


def load_external(external: Sequence[str], training: XrayDataset, input_size: int) -> dict[str, XrayDataset]:
    """Open every `NAME=DATASET` by its name; only its `test` split is needed.

    Raises:
        UserError: if one cannot be had, or shares a patient, a file or a copy with the training dataset.
    """
    found = {}
    for name, _, dataset in (item.partition("=") for item in external):
        found[name] = load(dataset, None, input_size, ("test",), f"--external {name}:")
        shared = find_overlap(_facts(training, SPLITS), _facts(found[name], ("test",)))
        if any(shared):
            raise UserError(
                f"--external {name}: {shared.patients} of its pictures share a patient, {shared.files} a file and "
                f"{shared.near_duplicates} a near copy with --dataset {training.name}: prepare both together, "
                "with `python -m dataset_script … --external NAME`"
            )
    return found


def _facts(dataset: XrayDataset, splits: Sequence[str]) -> dict[str, list[str]]:
    """`overlap.COLUMNS` of some splits; no picture is read, not even of a streamed split."""
    columns = [_split_facts(dataset, split) for split in splits]
    return {name: [value for part in columns for value in part[name]] for name in OVERLAP_COLUMNS}


def _split_facts(dataset: XrayDataset, split: str) -> Mapping[str, list[str]]:
    if split == "train" and dataset.train_facts is not None:
        return next(iter(dataset.train_facts.batch(dataset.report["splits"]["train"]["images"])))
    return dataset.splits[split].select_columns(OVERLAP_COLUMNS)[:]


def _from_folder(folder: Path, flag: str, streaming: bool) -> XrayDataset:
    report = live_report(folder)
    if not report.is_file():
        raise UserError(f"{flag} {folder} holds no report.json: {_PREPARE}")
    try:
        splits, facts = _open(str(folder), None, streaming)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise UserError(f"{flag} {folder} cannot be read ({one_line(error)}): {_PREPARE}") from error
    return XrayDataset(splits, json.loads(report.read_text(encoding="utf-8")), folder.resolve().name, None, facts)


def _open(
    dataset: str, revision: str | None, streaming: bool
) -> tuple[datasets.DatasetDict, datasets.IterableDataset | None]:
    """The splits, and the facts of the training split where it is streamed."""
    if streaming:
        return stream(dataset, revision)
    return datasets.load_dataset(dataset, revision=revision), None


def _from_hub(repo_id: str, revision: str | None, streaming: bool) -> XrayDataset:
    sha = hub.resolve(repo_id, revision, repo_type="dataset")
    try:
        report = Path(hf_hub_download(repo_id, "report.json", repo_type="dataset", revision=sha))
        splits, facts = _open(repo_id, sha, streaming)
    except (*hub.HUB_ERRORS, datasets.exceptions.DatasetsError) as error:
        raise hub.explain(error, repo_id, revision) from error
    return XrayDataset(splits, json.loads(report.read_text(encoding="utf-8")), repo_id, sha, facts)


def _check(found: XrayDataset, input_size: int, splits: Sequence[str], flag: str) -> None:
    for name in splits:
        if name not in found.splits:
            raise UserError(f"{flag} {found.name} has no {name} split: {_PREPARE}")
        names = getattr(found.splits[name].features.get("label"), "names", None)
        if names != LABELS:
            raise UserError(f"{flag} {found.name}: its labels are {names}, not {LABELS}; {_PREPARE}")
    needed, has = short_side(input_size), found.report["image_size"]
    if has < needed:
        raise UserError(
            f"{flag} {found.name} was prepared at {has} px but --input_size {input_size} needs {needed}: "
            f"prepare it anew with --image_size {needed}"
        )


def collator(processor: BaseImageProcessor) -> Callable[[list[dict]], dict[str, torch.Tensor]]:
    """A function from dataset rows to a batch: pixel_values float32 (N, 3, S, S), labels int64 (N,), keys int64 (N,).

    `keys` names each picture by the first 60 bits of its hash, so that augmentation can be seeded by picture.
    """

    def collate(rows: list[dict]) -> dict[str, torch.Tensor]:
        return {
            "pixel_values": to_pixel_values([row["image"] for row in rows], processor),
            "labels": torch.tensor([row["label"] for row in rows]),
            "keys": torch.tensor([int(row["sha256"][:15], 16) for row in rows]),
        }

    return collate


def class_weights(images: Mapping[str, int]) -> torch.Tensor:
    """Weights float32 (2,) under which both classes weigh the same and the mean weight over the images is 1.

    Takes how many images each class has, which a report knows without reading a streamed split.
    """
    counts = np.array([images[name] for name in LABELS])
    return torch.tensor(counts.sum() / (len(LABELS) * counts), dtype=torch.float32)
