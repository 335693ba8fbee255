"""Mutated image files through `predict.py` and `python -m dataset_script`, for as long as asked, seeded.

Batches of files that no encoder writes (`mutations.py`) go through both commands. Demanded of each file: one row with
an answer or a reason; never an error of another kind, more than 5 seconds, or more than 1 GiB in this process or in one
that decodes (Linux only). Files that fail are kept with their seeds in their names; exit code 1 if there are any.

    python benchmarks/soak.py [--seconds 60 | --count 20000] [--seed 0] [--keep runs/soak]
"""

import contextlib
import csv
import io
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from unittest import mock

import torch
from measure import ROOT, make_parser, process_bytes
from mutations import Mutant, mutants
from transformers import ResNetConfig, ResNetForImageClassification

from cxr.errors import UnreadableImage
from cxr.imaging import reader
from cxr.imaging.preprocess import make_processor
from cxr.phantom import draw_phantom
from cxr.schema.labels import ID2LABEL, LABEL2ID
from cxr.serving.heatmap import png
from dataset_script.__main__ import main as prepare

sys.path.insert(0, str(ROOT))  # before this folder, which has a benchmark of the same name
import predict

MOST_SECONDS, MOST_BYTES = 5.0, 1 << 30
_BATCH = 104  # the search for near-duplicates compares many pairs among mutants of one file
_PHANTOMS = 60
_CLASSES = ("normal", "COVID")
_SAMPLE_SECONDS = 0.05


@dataclass
class Watch:
    """What is seen while files are read: how long each took, what was refused and why, and what went wrong."""

    real_read: Callable[..., reader.Radiograph]
    keep: Path
    names: dict[bytes, str] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    peak: int = 0
    peak_decoding: int = 0

    def read(self, source: bytes | Path, **options: object) -> reader.Radiograph:
        """`reader.read_radiograph`, timed; called by both commands, from several threads."""
        raw = source if isinstance(source, bytes) else source.read_bytes()
        start = time.monotonic()
        try:
            return self.real_read(source, **options)
        except UnreadableImage as error:
            self.reasons[error.reason] += 1
            raise
        except BaseException as error:
            self.fail(raw, f"{type(error).__name__}: {error}")
            raise
        finally:
            seconds = time.monotonic() - start
            self.slowest = max(self.slowest, (seconds, self.names.get(raw[:4000], "")))
            if seconds > MOST_SECONDS:
                self.fail(raw, f"took {seconds:.1f} s")

    def fail(self, raw: bytes, why: str) -> None:
        """Keep a file that failed."""
        name = self.names.get(raw[:4000], "unknown")
        self.keep.mkdir(parents=True, exist_ok=True)
        (self.keep / name).write_bytes(raw)
        self.failures.append(f"{name}: {why}")

    @contextlib.contextmanager
    def sampling(self) -> Iterator[None]:
        """Note the peak memory of this process, beyond what it holds now, and of its children."""
        if sys.platform != "linux":
            yield
            return
        held, stopped = process_bytes("VmRSS"), threading.Event()

        def sample() -> None:
            while not stopped.wait(_SAMPLE_SECONDS):
                self.peak = max(self.peak, process_bytes("VmRSS") - held)
                for child in _children():
                    with contextlib.suppress(OSError, StopIteration):
                        self.peak_decoding = max(self.peak_decoding, process_bytes("VmHWM", child))

        sampler = threading.Thread(target=sample, daemon=True)
        sampler.start()
        try:
            yield
        finally:
            stopped.set()
            sampler.join()


def main(arguments: list[str] | None = None) -> int:
    """Run batch after batch; 1 if a file failed."""
    parser = make_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long (%(default)s)")
    parser.add_argument("--count", type=int, help="how many files, instead")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations (%(default)s)")
    parser.add_argument("--keep", type=Path, default=Path("runs/soak"), help="folder for files that fail (%(default)s)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    start, done, supply = time.monotonic(), 0, mutants(options.seed)
    watch = Watch(reader.read_radiograph, options.keep)
    watched = mock.patch.object(reader, "read_radiograph", watch.read)
    with tempfile.TemporaryDirectory() as scratch, watched:
        model = _save_model(Path(scratch) / "model")
        while done < options.count if options.count else time.monotonic() - start < options.seconds:
            batch = list(islice(supply, min(_BATCH, options.count - done) if options.count else _BATCH))
            with watch.sampling():  # not while files are made, which takes gigabytes before some are cut
                _run_batch(batch, model, Path(scratch) / str(done), watch)
            done += len(batch)
            print(f"{done} files, {len(watch.failures)} failures, {time.monotonic() - start:.0f} s", flush=True)
    return _summary(done, watch)


def _summary(done: int, watch: Watch) -> int:
    seconds, name = watch.slowest
    for reason, count in watch.reasons.most_common():
        print(f"{count:6} × {reason}")
    print(f"{done} files through both commands; slowest {seconds:.2f} s ({name})")
    peak, decoding = watch.peak >> 20, watch.peak_decoding >> 20
    print(f"peak memory: {peak} MiB more in the command, {decoding} MiB in a decoding process")
    for failure in watch.failures:
        print(f"FAILED {failure}")
    return int(bool(watch.failures) or max(watch.peak, watch.peak_decoding) > MOST_BYTES)


def _run_batch(batch: Sequence[Mutant], model: Path, folder: Path, watch: Watch) -> None:
    watch.names = {mutant.content[:4000]: mutant.name for mutant in batch}
    for name in _CLASSES:
        (folder / "raw" / name).mkdir(parents=True)
    for mutant in batch:
        path = folder / "raw" / _CLASSES[0] / mutant.name
        path.write_bytes(mutant.content)
    _predict(batch, model, folder, watch)
    _prepare(batch, folder, watch)


def _predict(batch: Sequence[Mutant], model: Path, folder: Path, watch: Watch) -> None:
    """Answer all files; each has to have its row."""
    table = folder / "answers.csv"
    paths = [str(path) for path in sorted((folder / "raw").rglob("*.*"))]
    with _quiet():
        predict.main(["--model", str(model), "--csv", str(table), *paths])
    with table.open(newline="", encoding="utf-8") as stream:
        rows = {row["file"]: bool(row["verdict"]) != bool(row["error"]) for row in csv.DictReader(stream)}
    missing = [path for path in paths if not rows.get(path)]
    for path in missing:
        watch.fail(Path(path).read_bytes(), "has no row of predict.py")


def _prepare(batch: Sequence[Mutant], folder: Path, watch: Watch) -> None:
    """Prepare a dataset of the files and of phantoms, without which it might be empty; each file has to be counted."""
    for seed, content in enumerate(_phantoms()):
        (folder / "raw" / _CLASSES[seed % 2] / f"phantom{seed}.png").write_bytes(content)
    flags = [
        "--image_size",
        "64",
        "--no_audit",
        "--duplicates",
        "report",
        "--num_proc",
        "1",
        "--out",
        str(folder / "out"),
    ]
    with _quiet() as said:
        code = prepare(["--source", f"folder={folder / 'raw'}", *flags])
    if code != 0:
        watch.failures.append(f"python -m dataset_script: exit code {code}: {said.getvalue()[-300:]}")
        return
    report = json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))
    counted = report["refused"]["total"] + sum(split["images"] for split in report["splits"].values())
    if counted != len(batch) + _PHANTOMS:
        watch.failures.append(f"python -m dataset_script counted {counted} of {len(batch) + _PHANTOMS} files")


@cache
def _phantoms() -> list[bytes]:
    return [png(draw_phantom(seed, seed % 2).image[::4, ::4]) for seed in range(_PHANTOMS)]


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        yield said


def _children() -> list[str]:
    """The process ids of this process's children."""
    tasks = Path("/proc/self/task").iterdir()
    with contextlib.suppress(OSError):
        return [child for task in tasks for child in (task / "children").read_text(encoding="ascii").split()]
    return []


def _save_model(folder: Path) -> Path:
    """A classifier with random weights: the answers do not matter here."""
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]}
    config = ResNetConfig(**sizes, id2label=ID2LABEL, label2id=LABEL2ID, operating_threshold=0.5)
    ResNetForImageClassification(config).save_pretrained(folder)
    make_processor(64).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    sys.exit(main())
