"""`python -m experiments.leave_one_out`: two recipes on what was left out, from known differences."""

import json
import shutil

import numpy as np
import pytest

from experiments import paired
from experiments.leave_one_out import main
from experiments.paired import Pair, Sample

TINY = "--input_size 32 --max_steps 1 --precision fp32 --use_cpu --method full"


def sample(count: int = 100) -> Sample:
    return Sample(np.arange(count) % 2, [str(number) for number in range(count)])


def test_a_difference_over_several_sets_is_the_mean_of_theirs_and_its_interval_is_narrower():
    rng, of_100 = np.random.default_rng(0), sample()
    chance, perfect = rng.normal(0, 1, 100), of_100.labels.astype(float)
    little = perfect + rng.normal(0, 0.8, 100)
    better, same = Pair([little], [chance], of_100), Pair([chance], [chance], of_100)
    gain, nothing = paired.difference(better), paired.difference(same)
    assert nothing == (0, 0, 0)
    assert gain.low > 0
    both = paired.difference(better, same)
    assert both.mean == pytest.approx(gain.mean / 2)
    assert both.high - both.low == pytest.approx((gain.high - gain.low) / 2, rel=0.1)
    twice = paired.difference(better, better)
    assert twice.high - twice.low == pytest.approx((gain.high - gain.low) / 2**0.5, rel=0.15)


def test_auroc_is_averaged_over_seeds():
    of_100 = sample()
    right, wrong = of_100.labels.astype(float), 1.0 - of_100.labels
    assert paired.mean_auroc([right, wrong], of_100) == pytest.approx(0.5)
    assert paired.mean_auroc([right], of_100) == 1


@pytest.mark.slow
def test_what_was_left_out_is_scored_for_each_recipe_and_seed_and_nothing_is_trained_twice(
    with_external, backbone, tmp_path, capsys
):
    out, log = tmp_path / "runs", tmp_path / "docs" / "leave_one_out.md"
    log.parent.mkdir()
    tiny = f"{TINY} --backbone {backbone}"
    recipes = [f"plain={tiny}", f"mirrored={tiny} --mirror 0.5 --box_weight 1"]
    command = ["--fold", f"clinic={with_external}", "--recipe", *recipes]
    command += ["--seeds", "0", "1", "--out", str(out), "--log", str(log)]
    assert main(command) == 0
    scored = json.loads((out / "clinic/plain/seed-1/left_out.json").read_text())
    metrics = json.loads((out / "clinic/plain/seed-1/model/metrics.json").read_text())
    assert scored["own"] == metrics["test"]["auroc"]
    assert len(scored["margins"]) == 24
    text = log.read_text()
    assert "| clinic (24 images) | `plain` |" in text
    assert "Averaged over what was left out, `mirrored` performs " in text
    assert (log.parent / "figures" / "leave_one_out.png").stat().st_size > 5_000
    capsys.readouterr()
    assert main(command) == 0
    assert "epoch" not in capsys.readouterr().out
    assert log.read_text() == text


def test_a_fold_that_holds_what_was_left_out_of_it_is_refused(with_external, tmp_path, capsys):
    folder = tmp_path / "leaky"
    shutil.copytree(with_external, folder)
    shutil.rmtree(folder / "external" / "clinic")
    shutil.copytree(with_external, folder / "external" / "clinic", ignore=shutil.ignore_patterns("external"))
    assert main(["--fold", f"x={folder}", "--recipe", "a=b", "--out", str(tmp_path / "runs")]) == 2
    assert "phantom was not left out: it is trained on, too" in capsys.readouterr().err


def test_bad_folds_are_one_line(dataset, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["--fold", "x", "--recipe", "a=b", "--out", str(tmp_path)])
    assert end.value.code == 2
    assert "NAME=VALUE" in capsys.readouterr().err
    assert main(["--fold", f"x={dataset}", "--recipe", "a=b", "--out", str(tmp_path)]) == 2
    assert "nothing was left out of it: prepare it with --external" in capsys.readouterr().err
