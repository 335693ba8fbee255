"""Whether a dataset shares images or patients with what a model was trained on, as far as its repo has fingerprints."""

from cxr.assessment.model import LoadedModel
from cxr.errors import UserError, one_line
from cxr.fingerprints import Fingerprints, Part
from cxr.schema.assessment import TrainingOverlap
from cxr.schema.dataset import Split
from cxr.schema.model_repo import FINGERPRINTS
from cxr.training.data.dataset import XrayDataset, overlap_columns

_OWN = (
    "a dataset that the model comes from: its splits share no patient, file or near-duplicate, which was verified "
    "when it was prepared"
)
_OWN_VALIDATION = "the validation split on which the model's threshold and calibration were chosen: scores flatter it"
_UNKNOWN = (
    "it cannot be known whether the model was trained on some of these images: its repo publishes no fingerprints of "
    "its training data"
)
_PARTLY_UNKNOWN = (
    "nothing is shared with the part of its training data that is known; the rest of it cannot be compared"
)
_NOTHING = "no patient, file or near-duplicate is shared with the model's training data, by the fingerprints it has"


class SharedWithTraining(UserError):
    """A dataset holds what a model was trained on, so that no score on it can be believed."""


def check_overlap(model: LoadedModel, name: str, dataset: XrayDataset, split: Split) -> TrainingOverlap:
    """Compare a split with the model's fingerprints.

    Raises:
        SharedWithTraining: if it shares a patient, a file or a near-duplicate with what the model was trained on.
        UserError: if the fingerprints are damaged.
    """
    own = dataset.report["fingerprint"]
    is_own = getattr(model.config, "dataset_fingerprint", None) == own
    if is_own and split == "train":
        raise SharedWithTraining(
            f"--dataset {name}: {model.name} was trained on this very split: score another with --split"
        )
    fingerprints = read_fingerprints(model)
    parts = [part for part in fingerprints.parts if part.dataset != own] if fingerprints else []
    statements = [_compare(part, model, name, dataset, split) for part in parts]
    if is_own or (fingerprints and any(part.dataset == own for part in fingerprints.parts)):
        statements.insert(0, _OWN_VALIDATION if split == "validation" else _OWN)
    elif fingerprints is None:
        return {"known": False, "statement": _UNKNOWN}
    if fingerprints and not fingerprints.complete:
        return {"known": False, "statement": "; ".join([*statements, _PARTLY_UNKNOWN])}
    return {"known": True, "statement": "; ".join(dict.fromkeys(statements))}


def shared_by_validation(model: LoadedModel, dataset: XrayDataset) -> str:
    """What a validation split, to which a model is to be adapted, shares with its training data: one sentence.

    That is no reason to refuse, because the test split shares nothing and shows what the adaptation is worth.
    """
    fingerprints = read_fingerprints(model)
    if fingerprints is None:
        return "Whether that split shares images with its training data cannot be known: it publishes no fingerprints."
    found = [part.shared_with(overlap_columns(dataset, ("validation",))) for part in fingerprints.parts]
    images = max((max(shared.files, shared.near_duplicates) for shared in found), default=0)
    patients = max((shared.patients for shared in found), default=0)
    if not images and not patients:
        return "That split shares nothing with its training data, by the fingerprints it has."
    return (
        f"Mind that {images} images and {patients} patients of that split are known from its training and validation, "
        "so that what was fitted on them may be too confident."
    )


def read_fingerprints(model: LoadedModel) -> Fingerprints | None:
    """The fingerprints beside a model's weights, if there are any.

    Raises:
        UserError: if they are damaged.
    """
    path = model.pulled.folder / FINGERPRINTS
    if not path.is_file():
        return None
    try:
        return Fingerprints.load(path)
    except ValueError as error:
        raise UserError(f"{model.name}: {one_line(error)}: publish the model again") from error


def _compare(part: Part, model: LoadedModel, name: str, dataset: XrayDataset, split: Split) -> str:
    columns = overlap_columns(dataset, (split,))
    shared = part.shared_with(columns)
    if shared.any:
        raise SharedWithTraining(
            f"--dataset {name}: {shared.patients} of its patients, {shared.files} of its files and "
            f"{shared.near_duplicates} near-duplicates are among the training data of {model.name}, so no score on it "
            "can be believed: leave them out, or prepare both datasets together with --external"
        )
    if shared.patients_by_chance:
        return f"{_NOTHING}; {shared.patients_by_chance} patients match, no more than chance explains"
    return _NOTHING if len(part.patients) else f"{_NOTHING}; patients cannot be compared"
