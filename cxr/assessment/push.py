"""The results of an assessment in the model's card on the Hub: a section for each dataset, and its `model-index`."""

import hashlib
import re
from collections.abc import Sequence
from functools import partial

from huggingface_hub import EvalResult, ModelCard, ModelCardData, get_token
from yaml import YAMLError

from cxr import hub
from cxr.assessment import report, tables
from cxr.assessment.model import LoadedModel
from cxr.assessment.tables import Table
from cxr.errors import UserError, one_line
from cxr.markdown import escape, table
from cxr.schema.assessment import AssessedDataset, Assessment
from cxr.schema.model_repo import CARD
from cxr.training.reporting.model_card import eval_results

_MESSAGE = "Add an assessment on {names}"
_REVISION = re.compile(r"(?<=--revision )[0-9a-f]{40}")


def require_pushable(model: LoadedModel) -> None:
    """Find out, before anything is scored, whether results can go to the model's card.

    Raises:
        UserError: if the model is a folder, or if there is no token.
    """
    if model.pulled.revision == "local":
        raise UserError(f"--push adds to a card on the Hub, and --model {model.name} is a folder: publish it first")
    if not get_token():
        raise UserError("--push needs a token: set HF_TOKEN or run `hf auth login`")


def push(model: LoadedModel, assessment: Assessment) -> str:
    """Add the results of the first model to its card, in one commit or pull request; returns a line that says so.

    A section of the same dataset and split, and its entries in `model-index`, are replaced; all else stays.

    Raises:
        UserError: if the card cannot be read as one, or the Hub cannot be reached or refuses.
    """
    names = ", ".join(assessment["datasets"])
    change = partial(with_results, repo_id=model.pulled.repo_id, assessment=assessment)
    address = hub.edit(model.pulled.repo_id, CARD, change, _MESSAGE.format(names=names))
    if address is None:
        return f"The card of {model.name} holds these results already."
    is_proposed = "/discussions/" in address
    what = "Proposed in a pull request, for want of the right to write" if is_proposed else "Added to the card"
    return f"{what}: {address}"


def with_results(card: str, repo_id: str, assessment: Assessment) -> str:
    """A card's text with the results of the first model of an assessment.

    Raises:
        UserError: if its metadata cannot be read.
    """
    try:
        parsed = ModelCard(card, ignore_metadata_errors=False)
        data: ModelCardData = parsed.data  # type: ignore[assignment]  # what a `ModelCard` has
        data.model_name = data.model_name or repo_id.split("/")[-1]
        data.eval_results = _merge(data.eval_results or [], list(_results(assessment)))
        metadata = data.to_yaml(line_break="\n")
    except (ValueError, TypeError, KeyError, AttributeError, YAMLError) as error:
        reason = f"the card of {repo_id} has metadata that cannot be read ({one_line(error)[:200]}): mend it first"
        raise UserError(reason) from error
    text = parsed.text
    for name, dataset in assessment["datasets"].items():
        text = _with_section(text, _key(name, assessment["split"]), _section(name, dataset, assessment))
    return f"---\n{metadata}\n---\n{text}"


def _results(assessment: Assessment) -> list[EvalResult]:
    split = assessment["split"]
    return [
        result
        for name, dataset in assessment["datasets"].items()
        for result in eval_results(dataset["dataset"], name, dataset["results"][0], split)
    ]


def _merge(existing: Sequence[EvalResult], new: Sequence[EvalResult]) -> list[EvalResult]:
    """Those that exist, without those that are measured anew, and the new ones."""
    measured = {_measured(result) for result in new}
    return [result for result in existing if _measured(result) not in measured] + list(new)


def _measured(result: EvalResult) -> tuple[str | None, ...]:
    return result.task_type, result.dataset_name, result.dataset_split, result.metric_type


def _key(name: str, split: str) -> str:
    """What marks the section of a dataset: no name can end the comment that it stands in."""
    return hashlib.sha256(f"{name}\0{split}".encode()).hexdigest()[:12]


def _with_section(text: str, key: str, section: str) -> str:
    """The text with this section in place of an earlier one of the same key, or at its end."""
    start, end = f"<!-- assessment {key} -->", f"<!-- end of assessment {key} -->"
    marked = f"{start}\n{section}\n{end}"
    found = re.search(f"{re.escape(start)}.*?{re.escape(end)}", text, re.DOTALL)
    if not found:
        return f"{text.rstrip()}\n\n{marked}\n"
    if _REVISION.sub("", found[0]) == _REVISION.sub("", marked):
        return text  # measured on the same weights: a section adds a commit to their repo, which is then the newest
    return text[: found.start()] + marked + text[found.end() :]


def _section(name: str, dataset: AssessedDataset, assessment: Assessment) -> str:
    """Judgement, figures beside the dataset's probes, and how they were measured."""
    models, one = assessment["models"][:1], _of_first_model(dataset)
    alone: Assessment = {**assessment, "models": models, "datasets": {name: one}}
    shown: list[Table] = [tables.matrix(alone), tables.of_dataset(models, one)[0]]
    identity = dataset["dataset"]["name"]
    model = models[0]
    command = f"python assess.py --model {model['model_id']} --revision {model['revision']} --dataset {identity}"
    parts = [
        f"## Assessment on {escape(name)}, {assessment['split']} split",
        f"**{escape(one['results'][0]['judgement'])}**",
        f"**{escape(assessment['disclaimer'])}**",
        *map(escape, report.remarks(models, one)),
        *(table(part.header, part.rows) for part in shown),
        f"In parentheses: 95 % intervals from a bootstrap over patients. Measured by {escape(command)}.",
    ]
    return "\n\n".join(parts)


def _of_first_model(dataset: AssessedDataset) -> AssessedDataset:
    return {**dataset, "results": dataset["results"][:1], "comparison": None}
