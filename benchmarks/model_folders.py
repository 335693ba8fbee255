"""Edit model folders as careless and hostile publishers would, and ask each for an answer.

    python benchmarks/model_folders.py [--each 200] [--first 0]

For every kind of edit of `tests/folder_edits.py` and every number from `first` on, `predict.py` is called with a folder
edited by the generator of that seed. Right is an answer or one line, within five seconds and 500 MiB more than before.
Prints a row a kind; folders that went wrong are kept and named. Exit code 1 if there are any.
"""

import contextlib
import io
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from measure import ROOT, make_parser, print_table, process_bytes

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # for the modules of the tests

SECONDS = 5.0
BYTES = 500 * 2**20


def fault_of(folder: Path, image: Path, exact: bool) -> tuple[str, int]:
    """What is wrong with the end of `predict.py` on a folder (empty if nothing is), and its exit code."""
    import predict

    before, start = process_bytes("VmHWM"), time.monotonic()
    arguments = ["--model", str(folder), *(["--exact"] if exact else []), str(image)]
    with contextlib.redirect_stderr(io.StringIO()) as errors, contextlib.redirect_stdout(io.StringIO()):
        try:
            code = predict.main(arguments)
        except Exception as error:  # what the command must not do is a result here
            return f"{type(error).__name__}: {error}"[:200], 1
    printed = errors.getvalue()
    if code == 2 and not (printed.startswith("error: ") and printed.count("\n") == 1):
        return f"printed {printed[:200]!r}", code
    if time.monotonic() - start > SECONDS:
        return f"took {time.monotonic() - start:.1f} s", code
    grown = process_bytes("VmHWM") - before
    return (f"took {grown >> 20} MiB" if grown > BYTES else ""), code


def main() -> int:
    """Edit, ask, print."""
    parser = make_parser(__doc__)
    parser.add_argument("--each", type=int, default=200, help="edits of each kind (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first one (%(default)s)")
    options = parser.parse_args()
    from folder_edits import KINDS
    from PIL import Image
    from tiny import save_tiny

    from cxr.gate.features import FeatureExtractor
    from cxr.gate.fitting import fit_gate
    from cxr.imaging.preprocess import load_processor
    from cxr.phantom import draw_phantom

    root = Path(tempfile.mkdtemp(prefix="model-folders-"))
    phantoms = [draw_phantom(seed, seed % 2).image for seed in range(40)]
    model = save_tiny(root / "model").eval()
    extract = FeatureExtractor(model, load_processor(root / "model"))
    gate = fit_gate(extract, phantoms[:30], extract(phantoms[30:]), seed=0, progress=False)
    gate.save(root / "model" / "gate.safetensors")
    Image.fromarray(phantoms[1]).save(root / "image.png")
    assert fault_of(root / "model", root / "image.png", exact=False) == ("", 0)
    rows, wrong = [], 0
    for kind, make in KINDS.items():
        refused, start = 0, time.monotonic()
        for number in range(options.first, options.first + options.each):
            folder = shutil.copytree(root / "model", root / f"{kind}-{number}")
            make(random.Random(f"{kind} {number}"))(folder)
            fault, code = fault_of(folder, root / "image.png", exact=number % 10 > 0)
            refused += code == 2
            if fault:
                wrong += 1
                print(f"WRONG {folder}: {fault}", flush=True)
            else:
                shutil.rmtree(folder)
        rows.append((kind, options.each, refused, f"{(time.monotonic() - start) / options.each:.2f}"))
    print_table(("kind", "folders", "refused", "seconds each"), rows)
    print(f"{options.each * len(KINDS)} folders, {wrong} wrong")
    if not wrong:
        shutil.rmtree(root)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
