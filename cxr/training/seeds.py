"""Several seeds of one run: how much a score varies between seeds, and which of them is best on validation."""

import math
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from cxr.schema.metrics import Metrics, SeedMetrics, Seeds
from cxr.schema.set_summary import METRIC_NAMES, GroupSummary, MetricName
from cxr.training.arguments import RunArguments
from cxr.training.finalize import write_metrics
from cxr.training.reporting import model_card

FINISHED = "finished"
"""An empty file in the folder of a seed whose model has been saved and evaluated."""


def keep_best(run: RunArguments, repo_id: str | None) -> str:
    """Make the best seed's model folder the run's and add the spread to its metrics and card; returns the headline."""
    facts = {seed: model_card.read_facts(_model_dir(run, seed)) for seed in run.seeds}
    metrics = {seed: of_seed for seed, (of_seed, _) in facts.items()}
    best = choose({seed: of_seed["validation"] for seed, of_seed in metrics.items()}, run.metric_for_best_model)
    draft = run.model_dir.with_name("model.draft")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(_model_dir(run, best), draft)
    published: Metrics = {**metrics[best], "seeds": spread(metrics, int(best))}
    write_metrics(draft, published)
    model_card.write_card(draft, published, facts[best][1], repo_id)
    shutil.rmtree(run.model_dir, ignore_errors=True)
    draft.rename(run.model_dir)
    headline = model_card.headline(published)
    return f"seed {int(best)} of {', '.join(run.seeds)} is the best on validation. {headline}"


def _model_dir(run: RunArguments, seed: str) -> Path:
    return Path(run.output_dir) / f"seed-{int(seed)}" / "model"


def choose(validation: Mapping[str, GroupSummary], criterion: str) -> str:
    """The seed with the best validation summary by the run's criterion; by the Brier score if that is the loss.

    Nothing but validation is used. The first of equals wins.
    """
    name = criterion.removeprefix("eval_")
    if name == "loss":
        return min(validation, key=lambda seed: _or(math.inf, validation[seed]["brier"]))
    metric = cast(MetricName, name)
    return max(validation, key=lambda seed: _or(0.0, validation[seed][metric]))


def _or(undefined: float, value: float | None) -> float:
    return undefined if value is None else value


def spread(metrics: Mapping[str, Metrics], published: int) -> Seeds:
    """Each seed's metrics on validation, test and external sets, with their mean and standard deviation (n - 1)."""
    values: dict[str, SeedMetrics] = {
        str(int(seed)): {
            "validation": _scores(of_seed["validation"]),
            "test": _scores(of_seed["test"]),
            "external": {name: _scores(scores) for name, scores in of_seed["external"].items()},
        }
        for seed, of_seed in metrics.items()
    }
    trees = list(values.values())
    mean, deviation = _over(trees, statistics.fmean), _over(trees, _deviation)
    return {"values": values, "mean": mean, "sd": deviation, "published": published}


def _scores(summary: GroupSummary) -> dict[MetricName, float | None]:
    return {name: summary[name] for name in METRIC_NAMES}


def _deviation(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def _over(trees: Sequence[Mapping[str, Any]], statistic: Callable[[Sequence[float]], float | None]) -> Any:
    """A tree with a statistic over the same leaf of several trees; None where one of them has no value."""
    result: dict[str, Any] = {}
    for key, first in trees[0].items():
        leaves = [tree[key] for tree in trees]
        if isinstance(first, dict):
            result[key] = _over(leaves, statistic)
        else:
            result[key] = None if None in leaves else statistic(leaves)
    return result
