"""How much of the label can be guessed without seeing the lungs, measured on a written dataset.

    section = audit_dataset(Path("data/xrays"))  # for report.json; names no file and no patient

Every probe (`dataset_script.audit.probes`) is fitted on training images and scored once on test images, at most
`MAX_IMAGES` of a class in each, whole patients chosen by hash, so that neither time nor memory grows with the dataset.

Lungs are blacked out by masks only if every sampled image has one. In a dataset in which only some collections have
masks, the shape of the blacked-out area would reveal the collection, and the audit would measure its own traces.
"""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from cxr.schema.labels import COVID, LABELS, NON_COVID
from cxr.schema.probes import FLAG_AUROC, PROBES
from cxr.schema.report import Audit, ProbeResult
from dataset_script.audit.probes import Regions, Sample, all_probes, extract_regions, run_probe
from dataset_script.records import FileRef
from dataset_script.storage.parquet import BATCH, find_shards, patient_keys, read_facts, read_images

MAX_IMAGES = 1000
"""Images of a class in the training and in the test sample; all images of a patient are taken together."""

MIN_KNOWN = 20
"""Images of a class with a known value below which shares and medians are not compared."""

_SHARE, _YEARS, _ADULT = 0.3, 10, 18
"""Differences between the classes from which on they are reported, and the age of an adult."""

Item = TypeVar("Item")

MaskOf = Callable[[dict[str, Any]], np.ndarray | None]
"""A row of the dataset without its image → lungs as bool (H, W) over the whole image, at any size, or None."""


def audit_dataset(folder: Path, *, masks: MaskOf | None = None, seed: int = 0, num_proc: int = 1) -> Audit:
    """Run the probes on the dataset in `folder` and return the `audit` section of its report.

    `probes` lists for each: `name`, `what` it was shown, `auroc`, `low` and `high` (95 % interval over patients; None
    where there is none, and then a `note` says why), `shouts` (whether it is flagged), and how many test `images` and
    `patients` it was scored on. `verdict` is one sentence. `differences` are sentences on ages and views.
    """
    files = find_shards(folder)
    facts = {split: read_facts(paths) for split, paths in files.items()}
    chosen = {split: choose_sample(facts[split], seed) for split in ("train", "test")}
    with tqdm(total=sum(map(len, chosen.values())), desc="auditing", unit=" images") as progress:
        train, test = (
            _make_sample(files[split], facts[split], positions, masks, num_proc, progress)
            for split, positions in chosen.items()
        )
    has_masks = all(regions.masked is not None for sample in (train, test) for regions in sample.regions)
    lungs: Literal["masks", "box"] = "masks" if has_masks else "box"
    entries = [run_probe(probe, train, test, seed) for probe in all_probes(lungs)]
    return {
        "verdict": compose_verdict(entries),
        "probes": entries,
        "differences": describe_differences(pa.concat_tables(facts.values(), promote_options="default")),
        "lungs": lungs,
        "fitted_on": train.size,
        "scored_on": test.size,
    }


def choose_sample(rows: pa.Table, seed: int, most: int = MAX_IMAGES) -> list[int]:
    """Positions of whole patients in the order of their hash, until each class has `most` images or all it has."""
    labels, hashes = rows["label"].to_numpy(), _hash_patients(rows, seed)
    order = np.argsort(hashes, kind="stable")
    taken, chosen = np.zeros(len(LABELS), int), []
    for positions in np.split(order, np.flatnonzero(np.diff(hashes[order])) + 1):
        counts = np.bincount(labels[positions], minlength=len(LABELS))
        if (taken[counts > 0] < most).any():
            chosen += positions.tolist()
            taken += counts
        elif taken.min() >= most:
            break
    return sorted(chosen)


def _hash_patients(rows: pa.Table, seed: int) -> np.ndarray:
    """64 bits of each row's patient, uint64 (N,)."""
    digests = (hashlib.sha256(f"{seed}:{key}".encode()).digest()[:8] for key in patient_keys(rows))
    return np.fromiter((int.from_bytes(digest) for digest in digests), np.uint64, len(rows))


def _make_sample(
    files: Sequence[Path],
    facts: pa.Table,
    positions: list[int],
    masks: MaskOf | None,
    num_proc: int,
    progress: "tqdm[Any]",
) -> Sample:
    """The rows at these positions, with the regions of their images."""

    def extract(item: tuple[int, bytes]) -> Regions:
        position, png = item
        return extract_regions(png, masks(facts.slice(position, 1).to_pylist()[0]) if masks else None)

    regions: list[Regions] = []
    with ThreadPoolExecutor(num_proc) as pool:
        for batch in _batched(read_images(files, set(positions)), BATCH):
            regions += pool.map(extract, batch)
            progress.update(len(batch))
    rows = facts.take(pa.array(positions, pa.int64()))
    return Sample(rows, list(patient_keys(rows)), regions)


def _batched(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while batch := list(islice(items, size)):
        yield batch


def find_masks(files: Mapping[str, FileRef]) -> MaskOf | None:
    """Reads the lung mask of a row from its file, given by `source/file`; None where no image has one."""
    if not files:
        return None

    def mask_of(row: dict[str, Any]) -> np.ndarray | None:
        file = files.get(f"{row['source']}/{row['file']}")
        return _read_mask(file) if file else None

    return mask_of


def _read_mask(file: FileRef) -> np.ndarray | None:
    """The mask, bool (H, W); None where its file cannot be read."""
    try:
        with Image.open(io.BytesIO(file.read())) as image:
            return np.asarray(image.convert("L")) > 127
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return None


def compose_verdict(entries: Sequence[ProbeResult]) -> str:
    """The result of the probes in one sentence."""
    tested = [entry for entry in entries if entry["auroc"] is not None]
    if not tested:
        return f"Whether the label can be guessed without the lungs could not be tested: {entries[0]['note']}."
    flagged = [entry for entry in tested if entry["shouts"]]
    if any(entry["name"] == "border" for entry in flagged):
        flagged = [entry for entry in flagged if entry["name"] != "border_in_view"]
    if flagged:
        ways = _listed([f"{PROBES[entry['name']].short} (AUROC {entry['auroc']:.2f})" for entry in flagged])
        return f"The label can be guessed from {ways}, without seeing the lungs."
    highest = max(entry["auroc"] or 0.0 for entry in tested)
    not_excluded, patients = max((entry["high"] or 0.0, entry["patients"]) for entry in tested)
    sentence = f"No probe is flagged; the highest AUROC without seeing the lungs is {highest:.2f}"
    if not_excluded < FLAG_AUROC:
        return f"{sentence}."
    return f"{sentence}, but {patients} test patients are too few to rule out {not_excluded:.2f}."


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def describe_differences(rows: pa.Table) -> list[str]:
    """A sentence for each large difference between the classes: in views, age, children, and what is recorded at all.

    A model may learn such a difference in place of the disease.
    """
    covid = rows["label"].to_numpy() == COVID
    age = rows["age"].to_numpy().astype(float)
    ap, pa_view = (_starts_with(rows["view"], view) for view in ("AP", "PA"))
    everyone, has_view, has_age = np.ones(len(covid), bool), ap | pa_view, ~np.isnan(age)
    sentences = [
        _compare_shares(covid, has_view, ap, "with a known view ", "are AP, as taken at a bedside"),
        _compare_shares(covid, has_age, age < _ADULT, "with a known age ", "show children"),
        _compare_ages(age[has_age & covid], age[has_age & ~covid]),
        _compare_shares(covid, everyone, has_view, "", "have a known view"),
        _compare_shares(covid, everyone, has_age, "", "have a known age"),
    ]
    return [sentence for sentence in sentences if sentence]


def _starts_with(column: pa.ChunkedArray, prefix: str) -> np.ndarray:
    return pc.fill_null(pc.starts_with(column, prefix), False).to_numpy()


def _compare_shares(covid: np.ndarray, among: np.ndarray, holds: np.ndarray, which: str, what: str) -> str | None:
    """The sentence, if the shares for which it `holds` differ much between the classes; all bool (N,)."""
    ours, others = holds[among & covid], holds[among & ~covid]
    if min(len(ours), len(others)) < MIN_KNOWN or abs(ours.mean() - others.mean()) < _SHARE:
        return None
    share, other = (f"{100 * part.mean():.0f} %" for part in (ours, others))
    return f"Of the {LABELS[COVID]} images {which}{share} {what}, of the {LABELS[NON_COVID]} ones {other}."


def _compare_ages(ours: np.ndarray, others: np.ndarray) -> str | None:
    if min(len(ours), len(others)) < MIN_KNOWN or abs(np.median(ours) - np.median(others)) < _YEARS:
        return None
    ages = f"{np.median(ours):.0f} years in {LABELS[COVID]} and {np.median(others):.0f} in {LABELS[NON_COVID]}"
    return f"The median age is {ages} images."
