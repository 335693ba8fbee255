"""The results of an assessment in the model's card on the Hub: a section for each dataset, and its `model-index`."""

import hashlib
import re
import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from huggingface_hub import ModelCard, RepoCard
from huggingface_hub.repocard_data import eval_results_to_model_index
from yaml import YAMLError

from cxr import hub
from cxr.assessment import report, tables
from cxr.assessment.model import LoadedModel
from cxr.assessment.tables import Table
from cxr.errors import UserError, one_line
from cxr.markdown import escape, table
from cxr.schema.assessment import AssessedDataset, AssessedModel, Assessment
from cxr.schema.labels import COVID, LABELS
from cxr.schema.model_repo import CARD
from cxr.training.reporting.model_card import eval_results

_REVISION = re.compile(r"(?<=--revision )[0-9a-f]{40}")


def require_pushable(model: LoadedModel) -> None:
    """Find out, before anything is scored, whether results can go to the model's card.

    Raises:
        UserError: if the model is a folder, or if there is no token.
    """
    if model.pulled.revision == "local":
        raise UserError(f"--push adds to a card on the Hub, and --model {model.name} is a folder: publish it first")
    hub.require_token()


def push(model: LoadedModel, assessment: Assessment) -> str:
    """Add the results of the first model to its card, in one commit or pull request; returns a line that says so.

    A section of the same dataset and split, and its entries in `model-index`, are replaced; all else stays.

    Raises:
        UserError: if the card cannot be read as one, or the Hub cannot be reached or refuses.
    """
    names = ", ".join(assessment["datasets"])
    change = partial(with_results, repo_id=model.pulled.repo_id, assessment=assessment)
    made = hub.edit(model.pulled.repo_id, CARD, change, f"Add an assessment on {names}")
    if made.is_proposal:
        done = "Proposed" if made.is_new else "Proposed already"
        return f"{done} in a pull request, for want of the right to write: {made.url}"
    if not made.is_new:
        return f"The card of {model.name} holds these results already."
    return f"Added to the card: {made.url}"


def with_results(card: str, repo_id: str, assessment: Assessment) -> str:
    """A card's text with the results of the first model of an assessment.

    Raises:
        UserError: if its metadata cannot be read.
    """
    newline = "\r\n" if "\r\n" in card else "\n"
    try:
        ModelCard(card, ignore_metadata_errors=False)  # raises if its model-index has another form
        parsed = RepoCard(card, ignore_metadata_errors=False)  # keeps what `EvalResult` has no field for
        index = parsed.data.get("model-index") or []
        parsed.data["model-index"] = _merge(index, list(_results(assessment)), repo_id.split("/")[-1])
        metadata = parsed.data.to_yaml(line_break=newline)
    except (ValueError, TypeError, KeyError, AttributeError, YAMLError) as error:
        reason = f"the card of {repo_id} has metadata that cannot be read ({one_line(error)[:200]}): mend it first"
        raise UserError(reason) from error
    text = parsed.text
    for name, dataset in assessment["datasets"].items():
        section = _section(name, dataset, assessment)
        text = _with_section(text, _key(name, assessment["split"]), section, newline)
    return f"---{newline}{metadata}{newline}---{newline}{text}"


def _results(assessment: Assessment) -> Iterator[dict[str, Any]]:
    """What `results` of a `model-index` holds for each dataset."""
    for name, dataset in assessment["datasets"].items():
        found = eval_results(dataset["dataset"], name, dataset["results"][0], assessment["split"])
        yield from eval_results_to_model_index("", found)[0]["results"]


def _merge(index: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """A `model-index` with new results for the model of that name, or else the first; all others stay as they are.

    Results that are there already keep their place, so that the same push changes nothing.
    """
    entries = list(index) or [{"name": name, "results": []}]
    own = next((number for number, entry in enumerate(entries) if entry["name"] == name), 0)
    existing = entries[own]["results"]
    added = [result for result in new if result not in existing]
    measured = {key for result in added for key in _measured(result)}
    entries[own] = {**entries[own], "results": [*_without(existing, measured), *added]}
    return entries


def _without(results: Sequence[dict[str, Any]], measured: set[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """The results without the metrics that are measured anew."""
    for result in results:
        kept = [metric for metric, key in zip(result["metrics"], _measured(result), strict=True) if key not in measured]
        if kept:
            yield {**result, "metrics": kept}


def _measured(result: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What tells each metric of a result from others: task, dataset, split and metric."""
    dataset = result["dataset"]
    about = result["task"]["type"], dataset["name"], dataset.get("split")
    return [(*about, metric["type"]) for metric in result["metrics"]]


def _key(name: str, split: str) -> str:
    """What marks the section of a dataset: no name can end the comment that it stands in."""
    return hashlib.sha256(f"{name}\0{split}".encode()).hexdigest()[:12]


def _with_section(text: str, key: str, section: str, newline: str) -> str:
    """The text with this section in place of an earlier one of the same key, or at its end.

    A section that lost one of its markers is text of others: where it ends cannot be known.
    """
    start, end = f"<!-- assessment {key} -->", f"<!-- end of assessment {key} -->"
    marked = f"{start}\n{section}\n{end}".replace("\n", newline)
    found = re.search(f"{re.escape(start)}(?:(?!<!-- assessment ).)*?{re.escape(end)}", text, re.DOTALL)
    if not found:
        return f"{text.rstrip()}{newline}{newline}{marked}{newline}"
    if _REVISION.sub("", found[0]) == _REVISION.sub("", marked):
        return text  # measured on the same weights: a section adds a commit to their repo, which is then the newest
    return text[: found.start()] + marked + text[found.end() :]


def _section(name: str, dataset: AssessedDataset, assessment: Assessment) -> str:
    """Judgement, figures beside the dataset's probes, and how they were measured."""
    models, one = assessment["models"][:1], _of_first_model(dataset)
    alone: Assessment = {**assessment, "models": models, "datasets": {name: one}}
    shown: list[Table] = [tables.matrix(alone), tables.of_dataset(models, one)[0]]
    command = _command(name, dataset, models[0], assessment["split"])
    parts = [
        f"## Assessment on {escape(name)}, {assessment['split']} split",
        f"**{escape(one['results'][0]['judgement'])}**",
        f"**{escape(assessment['disclaimer'])}**",
        *map(escape, report.remarks(models, one)),
        *(table(part.header, part.rows) for part in shown),
        f"In parentheses: 95 % intervals from a bootstrap over patients. Measured by {escape(command)}.",
    ]
    return "\n\n".join(parts)


def _command(name: str, dataset: AssessedDataset, model: AssessedModel, split: str) -> str:
    """What measures it again."""
    identity = dataset["dataset"]["name"]
    words = ["python", "assess.py", "--model", model["model_id"], "--revision", model["revision"]]
    if model["labels"] != list(LABELS) or model["positive"] != [COVID]:
        words += ["--positive", ",".join(model["positive"])]
    words += ["--dataset", identity if name == identity else f"{name}={identity}"]
    words += ["--split", split] if split != "test" else []
    return shlex.join([*words, "--out", "report"])


def _of_first_model(dataset: AssessedDataset) -> AssessedDataset:
    return {**dataset, "results": dataset["results"][:1], "comparison": None}
