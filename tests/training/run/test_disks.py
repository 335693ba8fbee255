"""Disks that are full, read-only or closed: one line, exit code 2, and earlier results as they were."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from disks import FULL, READ_ONLY, contents, needs_root
from support import encode, tiny_run
from tiny import save_tiny

import predict
from cxr.errors import disk_problem
from cxr.phantom import draw_phantom
from cxr.training.card import main as rewrite_card
from cxr.training.run import main as train
from dataset_script.__main__ import main as prepare

pytestmark = needs_root


@pytest.mark.parametrize(("kind", "free"), [(FULL, 0), (FULL, 150_000), (READ_ONLY, 0)])
def test_preparation_keeps_the_dataset_that_was_there(disk, fails, kind, free):
    out = disk.path / "set" / "out"
    flags = ["--out", out, "--image_size", "64", "--num_proc", "1", "--no_audit", "--duplicates", "keep"]
    assert prepare(list(map(str, ["--source", "phantom=24", *flags]))) == 0
    before = contents(out)
    disk.limit(kind, free)
    assert kind in fails(prepare, "--source", "phantom=60", *flags)
    assert contents(out) == before
    disk.release()
    assert prepare(list(map(str, ["--source", "phantom=60", *flags]))) == 0


@pytest.fixture(scope="module")
def trained(dataset, backbone, train_here, tmp_path_factory) -> Path:
    """A finished run of two steps with its last checkpoint."""
    out = tmp_path_factory.mktemp("trained") / "run"
    return train_here(*tiny_run(dataset, backbone, out), "--save_total_limit", "1").parent


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "free"), [(FULL, 0), (FULL, 100_000), (FULL, 250_000), (READ_ONLY, 0)])
def test_training_keeps_the_model_that_was_there_and_can_be_continued(disk, trained, command, fails, kind, free):
    run = [*command[1:], "--output_dir", disk.path / "run", "--save_total_limit", "1"]
    shutil.copytree(trained, disk.path / "run")
    before = contents(disk.path / "run" / "model")
    disk.limit(kind, free)
    longer = [*run, "--max_steps", "4", "--resume_from_checkpoint", "true"]
    error = fails(train, *longer)
    assert kind in error or "cannot be written to" in error
    assert contents(disk.path / "run" / "model") == before
    disk.release()
    assert train(list(map(str, longer))) == 0
    assert contents(disk.path / "run" / "model") != before


@pytest.mark.parametrize("kind", [FULL, READ_ONLY])
def test_a_card_that_cannot_be_rewritten_stays(disk, finished, fails, kind):
    model = Path(shutil.copytree(finished, disk.path / "model"))
    before = contents(model)
    disk.limit(kind)
    assert kind in fails(rewrite_card, model)
    assert contents(model) == before


@pytest.mark.parametrize("output", ["--csv", "--heatmaps"])
@pytest.mark.parametrize(("kind", "free"), [(FULL, 0), (FULL, 4096), (READ_ONLY, 0)])
def test_answers_that_cannot_be_written_are_one_line(disk, tmp_path, capsys, output, kind, free):
    save_tiny(tmp_path / "model")
    for seed in range(12):
        (tmp_path / f"{'long' * 40}{seed}.png").write_bytes(encode(draw_phantom(seed, seed % 2).image))
    disk.limit(kind, free)
    capsys.readouterr()
    flags = ["--model", tmp_path / "model", output, disk.path / "out", *sorted(tmp_path.glob("*.png"))]
    code = predict.main(list(map(str, flags)))
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    assert code == 2 or output == "--heatmaps"
    if output == "--csv" and (disk.path / "out").exists():
        assert (disk.path / "out").read_bytes().endswith(b"\n") or not (disk.path / "out").stat().st_size


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM])
def test_the_cause_of_an_error_counts(number):
    error = RuntimeError("could not generate")
    error.__cause__ = OSError(number, os.strerror(number), "/x/y")
    assert disk_problem(error).startswith("/x/y: ")


def test_other_errors_are_no_problem_of_the_disk():
    for error in (ValueError("full"), KeyError("x"), FileNotFoundError(errno.ENOENT, "gone"), RuntimeError("shape")):
        assert disk_problem(error) is None
