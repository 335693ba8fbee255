"""Several seeds of one run: how far a score depends on chance, and the best on validation as the one to publish."""

import json
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path

from accelerate.utils import broadcast_object_list

from cxr.errors import UserError
from cxr.schema.metrics import METRIC_NAMES
from cxr.training.arguments import Arguments, RunArguments
from cxr.training.data.dataset import XrayDataset
from cxr.training.publishing import publish
from cxr.training.reporting import card, metrics_file
from cxr.training.train_seed import checkpoints, train, wants_to_resume

FINISHED = "finished"
"""An empty file in the folder of a seed whose model has been saved and evaluated."""


def check_folders(arguments: Arguments) -> None:
    """Refuse to start anew where an earlier run's seeds lie.

    Raises:
        UserError: naming the folder.
    """
    run = arguments.run
    if not wants_to_resume(run) and any(Path(run.output_dir).glob("seed-*")):
        raise UserError(
            f"--output_dir {run.output_dir} holds seeds of an earlier run: go on with it by "
            "--resume_from_checkpoint true, or choose another --output_dir"
        )


def train_seeds(arguments: Arguments, dataset: XrayDataset, external: dict[str, XrayDataset]) -> bool:
    """Train each seed in `OUT/seed-N` unless it is finished, and publish the best; False if told to stop.

    All ranks must call this.
    """
    run = arguments.run
    for seed in run.seeds:
        one = arguments.for_seed(int(seed))
        if _finished(one.run):
            continue
        one.run.resume_from_checkpoint = "true" if checkpoints(one.run) else None
        if not train(one, dataset, external):
            return False
        if run.process_index == 0:
            (Path(one.run.output_dir) / FINISHED).touch()
    if run.process_index == 0:
        _publish_best(run)
    _wait(run)
    return True


def _finished(run: RunArguments) -> bool:
    """Whether this seed is done, as the first rank sees it: other nodes need not share its disk."""
    answer = [(Path(run.output_dir) / FINISHED).is_file()]
    return broadcast_object_list(answer)[0]


def _wait(run: RunArguments) -> None:
    """Let no rank leave before the first one has written and published."""
    broadcast_object_list([None])


def _publish_best(run: RunArguments) -> None:
    """Make the best seed's model folder the run's, put the spread into its metrics and card, and publish it."""
    facts = {seed: _facts(Path(run.output_dir) / f"seed-{int(seed)}") for seed in run.seeds}
    best = choose({seed: found["validation"] for seed, found in facts.items()}, run.metric_for_best_model)
    draft = run.model_dir.with_name("model.draft")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(Path(run.output_dir) / f"seed-{int(best)}" / "model", draft)
    summary = facts[best] | {"seeds": spread(facts) | {"published": int(best)}}
    metrics_file.write_metrics(draft, summary)
    shutil.rmtree(run.model_dir, ignore_errors=True)
    draft.rename(run.model_dir)
    card.write_card(run.model_dir, run.hub_model_id)
    print(f"seed {int(best)} of {', '.join(run.seeds)} is the best on validation. {card.headline(run.model_dir)}")
    if run.publish:
        print(publish.publish(run.model_dir, publish.Destination.of(run)))


def _facts(folder: Path) -> dict:
    return json.loads((folder / "model" / "metrics.json").read_text(encoding="utf-8"))


def choose(validation: dict[str, dict], criterion: str) -> str:
    """The seed with the best validation summary by the run's criterion; by the Brier score where that is the loss.

    Nothing but validation has a say in it. The first of equals wins.
    """
    name = criterion.removeprefix("eval_")
    if name == "loss":
        return min(validation, key=lambda seed: validation[seed]["brier"])
    return max(validation, key=lambda seed: validation[seed][name] or 0.0)


def spread(facts: dict[str, dict]) -> dict:
    """Each seed's metrics on validation, test and external sets, with their mean and standard deviation (n - 1)."""
    values = {
        str(int(seed)): {
            **{split: _scores(found[split]) for split in ("validation", "test")},
            "external": {name: _scores(scores) for name, scores in found["external"].items()},
        }
        for seed, found in facts.items()
    }
    every = list(values.values())
    return {"values": values, "mean": _over(every, statistics.fmean), "sd": _over(every, _deviation)}


def _scores(summary: dict) -> dict[str, float | None]:
    return {name: summary[name] for name in METRIC_NAMES}


def _deviation(values: list[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def _over(every: list[dict], statistic: Callable[[list[float]], float | None]) -> dict:
    """A statistic over the same place of each of several trees; None where one of them has no value."""
    found = {}
    for key, first in every[0].items():
        here = [one[key] for one in every]
        found[key] = _over(here, statistic) if isinstance(first, dict) else None if None in here else statistic(here)
    return found
