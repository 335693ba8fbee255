"""How much of the label can be guessed without looking at a lung, measured on a finished dataset.

    section = audit(Path("data/xrays"))           # for report.json; names no file and no patient
    text = paragraph(section)                     # for the dataset card
    charts.audit(pictures / "audit.png", section)

Every probe (`dataset_script.audit.probes`) is fitted on training pictures and scored once on test pictures, at most
`MOST` of a class in each, whole patients chosen by hash, so that neither time nor memory grows with the dataset.

Lungs are blacked out by masks only if every sampled picture has one. A dataset in which some collections have masks and
others have none would otherwise be told apart by the kind of blackout, and the audit would find its own tool marks.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from cxr.schema.labels import LABELS
from cxr.schema.probes import FLAG_AUROC, FLAG_LOW, PROBES
from dataset_script.audit import differences, probes, regions
from dataset_script.audit.probes import Part
from dataset_script.storage import finished

MOST = 1000
"""Pictures of a class in the training and in the test sample; a patient's pictures are taken together."""

Masks = Callable[[dict], np.ndarray | None]
"""A dataset's row without its picture → lungs as bool (H, W) over the whole picture, at any size, or None."""


def audit(folder: Path, *, masks: Masks | None = None, seed: int = 0, num_proc: int = 1) -> dict:
    """Run the probes on the dataset in `folder` and return the `audit` section of its report.

    `probes` lists for each: `name`, `what` it was shown, `auroc`, `low` and `high` (95 % interval over patients; None
    where it cannot be had, and then a `note` says why), `shouts`, and how many test `images` and `patients` it was
    scored on. `verdict` is one sentence. `differences` are sentences on ages and views that part the classes.
    """
    files = finished.shards(folder)
    rows = {split: finished.facts(paths) for split, paths in files.items()}
    chosen = {split: sample(rows[split], seed) for split in ("train", "test")}
    with tqdm(total=sum(map(len, chosen.values())), desc="auditing", unit=" pictures") as progress:
        train, test = (_part(files[split], rows[split], chosen[split], masks, num_proc, progress) for split in chosen)
    lungs = "masks" if all(g.masked is not None for part in (train, test) for g in part.glimpses) else "box"
    found = [probes.run(probe, train, test, seed) | _size(test) for probe in probes.all_probes(lungs)]
    return {
        "verdict": verdict(found),
        "probes": found,
        "differences": differences.between_classes(pa.concat_tables(rows.values(), promote_options="default")),
        "lungs": lungs,
        "fitted_on": _size(train),
        "scored_on": _size(test),
    }


def sample(rows: pa.Table, seed: int, most: int = MOST) -> list[int]:
    """Positions of whole patients in the order of their hash, until each class has `most` pictures or all it has."""
    labels, hashes = rows["label"].to_numpy(), _hashes(rows, seed)
    order = np.argsort(hashes, kind="stable")
    taken, chosen = np.zeros(len(LABELS), int), []
    for positions in np.split(order, np.flatnonzero(np.diff(hashes[order])) + 1):
        found = np.bincount(labels[positions], minlength=len(LABELS))
        if (taken[found > 0] < most).any():
            chosen += positions.tolist()
            taken += found
        elif taken.min() >= most:
            break
    return sorted(chosen)


def _hashes(rows: pa.Table, seed: int) -> np.ndarray:
    """64 bits of each row's patient, uint64 (N,)."""
    digests = (hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8] for name in finished.patients(rows))
    return np.fromiter((int.from_bytes(digest) for digest in digests), np.uint64, len(rows))


def verdict(found: Sequence[dict]) -> str:
    """What the probes say, in one plain sentence."""
    tested = [probe for probe in found if probe["auroc"] is not None]
    untested = [probe for probe in found if probe["auroc"] is None]
    if not tested:
        return f"Whether the label can be guessed without the lungs could not be tested: {untested[0]['note']}."
    loud = [probe for probe in tested if probe["shouts"]]
    if any(probe["name"] == "border" for probe in loud):
        loud = [probe for probe in loud if probe["name"] != "border_in_view"]
    if loud:
        means = _listed([f"{PROBES[probe['name']].short} (AUROC {probe['auroc']:.2f})" for probe in loud])
        return f"The label can be guessed from {means}, without looking at a lung."
    highest, widest = (max(tested, key=lambda probe: probe[key]) for key in ("auroc", "high"))
    quiet = "None of the probes can be seen to guess the label without looking at a lung; the highest AUROC is "
    quiet += f"{highest['auroc']:.2f}"
    if widest["high"] < FLAG_AUROC:
        return f"{quiet}."
    return f"{quiet}, but {widest['patients']} test patients are too few to rule out {widest['high']:.2f}."


def paragraph(section: dict) -> str:
    """The audit in Markdown for the dataset card."""
    rows = [
        f"| {probe['what']} | {_number(probe)} | {'yes' if probe['shouts'] else 'no'} |" for probe in section["probes"]
    ]
    scored, fitted = section["scored_on"], section["fitted_on"]
    table = ["| Shown to a small classifier | AUROC (95 % interval) | Shouts |", "| --- | --- | --- |", *rows]
    how = (
        f"Fitted on {fitted['images']:,} training pictures ({fitted['patients']:,} patients), scored once on "
        f"{scored['images']:,} test pictures ({scored['patients']:,} patients), intervals over patients. "
        f"Chance is 0.50. A probe shouts from an AUROC of {FLAG_AUROC:.2f} on if its interval begins above "
        f"{FLAG_LOW:.2f}: then a model's score on this dataset's own test split is no evidence that it read a lung."
    )
    return "\n\n".join([f"**{section['verdict']}**", "\n".join(table), how, *section["differences"]])


def _number(probe: dict) -> str:
    if probe["auroc"] is None:
        return f"not tested: {probe['note']}"
    return f"{probe['auroc']:.2f} ({probe['low']:.2f}–{probe['high']:.2f})"


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _size(part: Part) -> dict[str, int]:
    return {"images": len(part.labels), "patients": len(set(part.patients))}


def _part(
    files: list[Path], rows: pa.Table, chosen: list[int], masks: Masks | None, num_proc: int, progress: tqdm
) -> Part:
    def look(item: tuple[int, bytes]) -> regions.Glimpse:
        position, png = item
        return regions.look(png, masks(rows.slice(position, 1).to_pylist()[0]) if masks else None)

    glimpses = []
    with ThreadPoolExecutor(num_proc) as pool:
        for few in _batched(finished.pictures(files, set(chosen)), finished.BATCH):
            glimpses += pool.map(look, few)
            progress.update(len(few))
    return Part(rows.take(pa.array(chosen, pa.int64())), glimpses)


def _batched(items: Iterator, size: int) -> Iterator[list]:
    while few := list(islice(items, size)):
        yield few
