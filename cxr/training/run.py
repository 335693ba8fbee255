"""A training run from start to end: check, train, save, evaluate the reloaded model, write the card, publish."""

import logging
import sys
from collections.abc import Sequence

import datasets
import transformers

from cxr.cli import command
from cxr.training.arguments import RunArguments, parse
from cxr.training.data.dataset import load, load_external
from cxr.training.publishing import publish
from cxr.training.seeds import check_folders, train_seeds
from cxr.training.train_seed import checkpoint_to_resume, train

INTERRUPTED = 143
"""Exit code of a run that was told to stop: 128 + SIGTERM, as a shell would report it."""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns 143 if training was told to stop (its checkpoint is saved)."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    run, data = arguments.run, arguments.data
    _quieten(run)
    check_folders(arguments) if run.seeds else checkpoint_to_resume(arguments)
    with run.main_process_first():
        if run.publish and run.process_index == 0:
            found = publish.preflight(publish.Destination.of(run))
            run.hub_model_id, run.hub_space = found.repo_id, found.space
        size = arguments.model.input_size
        dataset = load(data.dataset, data.dataset_revision, size, streaming=data.streaming)
        external = load_external(data.external, dataset, size)
    done = (train_seeds if run.seeds else train)(arguments, dataset, external)
    return 0 if done else INTERRUPTED


def _quieten(run: RunArguments) -> None:
    """One rank speaks, about this run; libraries only when something is wrong."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.utils.logging.set_verbosity_error()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    if run.process_index != 0:
        datasets.utils.logging.disable_progress_bar()
