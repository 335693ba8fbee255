"""Opening prepared datasets, checking that they follow Contract 1 and that no external set overlaps with training."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets

from cxr import hub
from cxr.errors import UserError, one_line
from cxr.imaging.geometry import short_side
from cxr.overlap import OVERLAP_COLUMNS, find_overlap
from cxr.schema.dataset import SPLITS, is_synthetic
from cxr.schema.dataset_card import CARD, REPORT, live_report
from cxr.schema.labels import LABELS
from cxr.schema.report import Report
from cxr.training.data.streaming import stream

_PREPARE = "prepare it with `python -m dataset_script`"
_ABOUT = (CARD, "*.json")
_SHARDS = "*.parquet"


@dataclass(frozen=True)
class XrayDataset:
    """The splits, the preparation's report, and where both come from (`revision` is None for a folder).

    `train_facts` streams `OVERLAP_COLUMNS` of the training split if that split is streamed; otherwise it is None.
    """

    splits: datasets.DatasetDict
    report: Report
    name: str
    revision: str | None
    train_facts: datasets.IterableDataset | None = None

    @property
    def synthetic(self) -> bool:
        """Whether every image is a phantom, so that no score says anything about patients."""
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

    `splits` are those that it must have; `flag` is how messages refer to it; with `streaming`, the training split is
    not fetched here.

    Raises:
        UserError: if it cannot be read, was not prepared by `dataset_script`, or is too small for `input_size`.
    """
    if Path(dataset).is_dir():
        opened = _from_folder(Path(dataset), flag, streaming)
    elif dataset.startswith((".", "/", "~")) or dataset.count("/") != 1:
        raise UserError(f"{flag} {dataset}: no such folder; {_PREPARE}")
    else:
        opened = _from_hub(dataset, revision, streaming)
    _check_contract(opened, splits, flag)
    _check_image_size(opened, input_size, flag)
    return opened


def load_external(external: Sequence[str], training: XrayDataset, input_size: int) -> dict[str, XrayDataset]:
    """Open every `NAME=DATASET`, by its name; only its `test` split is needed.

    Raises:
        UserError: if one cannot be read, or shares a patient, a file or a near-duplicate with the training dataset.
    """
    opened = {}
    for name, _, dataset in (item.partition("=") for item in external):
        opened[name] = load(dataset, None, input_size, ("test",), f"--external {name}:")
        shared = find_overlap(_facts(training, SPLITS), _facts(opened[name], ("test",)))
        if any(shared):
            raise UserError(
                f"--external {name}: {shared.patients} of its images share a patient, {shared.files} a file and "
                f"{shared.near_duplicates} are near-duplicates of images in --dataset {training.name}: prepare "
                "both together, with `python -m dataset_script … --external NAME`"
            )
    return opened


def _facts(dataset: XrayDataset, splits: Sequence[str]) -> dict[str, list[str]]:
    """`OVERLAP_COLUMNS` of some splits; no image is read, not even from a streamed split."""
    columns = [_split_facts(dataset, split) for split in splits]
    return {name: [value for part in columns for value in part[name]] for name in OVERLAP_COLUMNS}


def _split_facts(dataset: XrayDataset, split: str) -> Mapping[str, list[str]]:
    if split == "train" and dataset.train_facts is not None:
        return next(iter(dataset.train_facts.batch(dataset.report["splits"]["train"]["images"])))
    return dataset.splits[split].select_columns(OVERLAP_COLUMNS)[:]


def _from_folder(folder: Path, flag: str, streaming: bool) -> XrayDataset:
    report = live_report(folder)
    if not report.is_file():
        raise UserError(f"{flag} {folder} has no report.json: {_PREPARE}")
    try:
        splits, facts = _open(str(folder), None, streaming)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise UserError(f"{flag} {folder} cannot be read ({one_line(error)}): {_PREPARE}") from error
    return XrayDataset(splits, json.loads(report.read_text(encoding="utf-8")), folder.resolve().name, None, facts)


def _from_hub(repo_id: str, revision: str | None, streaming: bool) -> XrayDataset:
    sha = hub.resolve(repo_id, revision, repo_type="dataset")
    folder = hub.fetch(repo_id, sha, _ABOUT if streaming else (*_ABOUT, _SHARDS), repo_type="dataset")
    report = live_report(folder)
    if not report.is_file():
        raise UserError(
            f"{repo_id} has no {REPORT}: {_PREPARE}, and publish it with `python -m dataset_script.publish`"
        )
    try:
        splits, facts = _open(repo_id, sha, streaming) if streaming else _open(str(folder), None, streaming)
    except (*hub.HUB_ERRORS, datasets.exceptions.DatasetsError) as error:
        raise hub.explain(error, repo_id, revision) from error
    return XrayDataset(splits, json.loads(report.read_text(encoding="utf-8")), repo_id, sha, facts)


def _open(
    dataset: str, revision: str | None, streaming: bool
) -> tuple[datasets.DatasetDict, datasets.IterableDataset | None]:
    """The splits, and the facts of the training split if it is streamed."""
    if streaming:
        return stream(dataset, revision)
    return datasets.load_dataset(dataset, revision=revision), None


def _check_contract(dataset: XrayDataset, splits: Sequence[str], flag: str) -> None:
    for name in splits:
        if name not in dataset.splits:
            raise UserError(f"{flag} {dataset.name} has no {name} split: {_PREPARE}")
        names = getattr(dataset.splits[name].features.get("label"), "names", None)
        if names != LABELS:
            raise UserError(f"{flag} {dataset.name}: its labels are {names}, not {LABELS}; {_PREPARE}")


def _check_image_size(dataset: XrayDataset, input_size: int, flag: str) -> None:
    needed, available = short_side(input_size), dataset.report["image_size"]
    if available < needed:
        raise UserError(
            f"{flag} {dataset.name} was prepared at {available} px but --input_size {input_size} needs {needed}: "
            f"prepare it again with --image_size {needed}"
        )
