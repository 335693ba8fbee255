"""The sentences of the model card, each made from measured facts by fixed rules."""

from collections.abc import Mapping

from cxr.schema.labels import LABELS
from cxr.schema.verdicts import DISCLAIMER
from cxr.training.reporting.card_tables import number, scored, with_interval
from cxr.training.reporting.judgement import judge


def all_words(facts: Mapping, report: Mapping) -> dict[str, str]:
    """Every sentence by the name that the template calls it by."""
    return {
        "title": title(facts),
        "warning": _warning(facts),
        "judgement": judgement(facts, report),
        "disclaimer": DISCLAIMER,
        "dataset_sentence": _dataset(report),
        "reference_sentence": _reference(facts["dataset"]),
        "differences": _differences(report),
        "refused_sentence": _refused(report),
        "copies_sentence": _copies(report),
        "external_data": _external_data(facts),
        "seeds_sentence": seeds(facts),
        "weights_sentence": _weights(facts["model"]),
        "start_sentence": _start(facts["model"]),
        "method_sentence": _METHODS[facts["training"]["method"]],
        "calibration_sentence": _calibration(facts),
        "ece_sentence": _ece(facts),
        "conformal_sentence": _conformal(facts),
        "gate_sentence": _gate(facts),
        "source_sentence": _source(facts["dataset"]),
        "limits": _limits(facts, report),
        "failures": _failures(facts),
        "environment_sentence": ", ".join(f"{name} {version}" for name, version in facts["environment"].items()),
    }


def judgement(facts: Mapping, report: Mapping) -> str:
    """The sentence of judgement, which of phantoms says that they are nobody's."""
    said = judge(facts["test"], facts["external"], report.get("audit"))
    return (
        f"{said} All of it is about synthetic phantoms, nothing about patients."
        if facts["dataset"]["synthetic"]
        else said
    )


def title(facts: Mapping) -> str:
    """What the card is called, also in `model-index`."""
    kind = "synthetic chest X-rays" if facts["dataset"]["synthetic"] else "chest X-rays"
    return f"COVID-19 or not from {kind}: {facts['model']['architecture']}"


def _warning(facts: Mapping) -> str:
    if facts["dataset"]["synthetic"]:
        return f"> **Trained on synthetic phantoms only: it knows nothing about patients.** {DISCLAIMER}"
    return f"> **{DISCLAIMER}**"


def _dataset(report: Mapping) -> str:
    return f"{report['images']:,} pictures of {report['patients']:,} patients,"


def _reference(dataset: Mapping) -> str:
    if dataset["synthetic"]:
        return "Every picture is drawn by a program, which knows whether it drew the opacities: that is the reference."
    return (
        "The reference is the label that each collection gives, mostly from laboratory tests it does not show; no "
        "radiologist looked at the pictures for this model."
    )


def _differences(report: Mapping) -> str:
    found = report.get("audit", {}).get("differences", ())
    return " ".join(found) or "No striking difference in age, view or what is recorded was found between the classes."


def _refused(report: Mapping) -> str:
    reasons = report["refused"]["reasons"]
    return "; ".join(f"{count:,} files: {reason}" for reason, count in reasons.items()) + "." if reasons else "nothing."


def _copies(report: Mapping) -> str:
    """What became of copies of one exposure, re-encoded, resized and cropped ones included."""
    became = "the best of each stayed" if report["copies"] == "drop" else "each stayed in one split"
    return f"{report['duplicates']['groups']:,} clusters of copies were found, and {became}."


def _external_data(facts: Mapping) -> str:
    if not facts["external"]:
        return "There is no external test set in this run: what another hospital would see is unknown."
    return "\n".join(
        f"External set `{name}`: {scores['n']:,} pictures of {scores['patients']:,} patients, {scores['n_covid']:,} of "
        f"them COVID, from dataset `{scores['dataset']['name']}`, fingerprint `{scores['dataset']['fingerprint']}`. It "
        "shares no patient, no file and no near copy with the data above."
        for name, scores in facts["external"].items()
    )


def seeds(facts: Mapping) -> str:
    """How many seeds were trained, and how far their results lie apart."""
    trained = facts["seeds"]
    if not trained or len(trained["values"]) < 2:
        return "One seed was trained: how much of this is luck of the draw is not known."
    spread = "; ".join(
        f"{name}: AUROC {_plus_minus(trained, path)}"
        for name, path in [("test", ("test",)), *((name, ("external", name)) for name in facts["external"])]
    )
    return (
        f"{len(trained['values'])} seeds were trained and seed {trained['published']} published, chosen on validation. "
        f"Mean ± standard deviation over the seeds, {spread}."
    )


def _plus_minus(trained: Mapping, path: tuple[str, ...]) -> str:
    mean, spread = trained["mean"], trained["sd"]
    for key in path:
        mean, spread = mean[key], spread[key]
    return f"{number(mean['auroc'])} ± {number(spread['auroc'])}"


_METHODS = {
    "head": "Its backbone stayed frozen; the head was fitted on pooled features of several augmented views.",
    "lp_ft": "The head was fitted first, then all layers were trained (Kumar et al. 2022, arXiv 2202.10054).",
    "full": "All layers were trained together.",
    "frozen": "Its backbone stayed frozen; the head alone was trained.",
}


def _weights(model: Mapping) -> str:
    if model["random_weights"]:
        return "Trained from random weights, not from ImageNet: expect less than transfer learning would give."
    return f"Trained from the weights of `{model['backbone']}`, whatever those have learned included."


def _start(model: Mapping) -> str:
    if model["backbone"] is None:
        return "started from random weights."
    local = model["backbone_revision"] == "local"
    where = "a folder of its owner's" if local else f"revision `{model['backbone_revision']}`"
    origin = f"`{model['backbone']}`, {where}"
    return f"started from {origin}{', a stand-in with random weights' if model['random_weights'] else ''}."


def _calibration(facts: Mapping) -> str:
    found, validation = facts["calibration"], facts["validation"]
    if found["reason"]:
        return f"The probabilities are the network's own, not calibrated: {found['reason']}."
    return (
        f"Probabilities are calibrated on validation (temperature {found['temperature']:.2f}, bias "
        f"{found['bias']:+.2f}) and the correction is folded into the head, so plain weights give them. They hold "
        f"where COVID is as common as in validation, {100 * validation['n_covid'] / validation['n']:.0f} %."
    )


def _ece(facts: Mapping) -> str:
    said = ", ".join(
        f"{number(scores['ece'])} on {name} (n = {scores['n']:,})" for name, scores in scored(facts).items()
    )
    return (
        f"Expected calibration error, which is above 0 even for a perfect model and more so the smaller n is: {said}."
    )


def _conformal(facts: Mapping) -> str:
    found = facts["conformal"]
    counts = ", ".join(f"{found['calibration_images'][name]:,} {name}" for name in LABELS)
    said = (
        f"A verdict is sure only if the class-conditional split-conformal set at {100 * found['level']:.0f} % "
        f"(calibrated on {counts} pictures of validation) agrees with the operating threshold; else it is `uncertain`."
    )
    small = [name for name in LABELS if found["quantiles"][name] >= 1]
    if small:
        return (
            f"{said} Validation is too small for a promise about {' and '.join(small)}: that class is never ruled out."
        )
    return f"{said} On other hospitals' pictures nothing is promised."


def _gate(facts: Mapping) -> str:
    gate = facts["gate"]
    sets = {name: gate["passed"][name] for name in ("validation", "test")} | gate["passed"]["external"]
    passed, refused = (
        ", ".join(f"{100 * seen['share']:.1f} % of {name} (n = {seen['n']})" for name, seen in shares.items())
        for shares in (sets, gate["refused"])
    )
    return (
        f"A gate (`gate.safetensors`, fitted on {gate['fitted_on']}) refuses what is no X-ray like those it learned "
        f"from. It passes {passed}. Of outliers made from test pictures, which it never saw, it refuses: {refused}. It "
        "cannot tell a mirrored X-ray from another, and lets some lateral views and tilted pictures pass."
    )


def _source(dataset: Mapping) -> str:
    if dataset["synthetic"]:
        return "All pictures are drawn by a program; both classes come from it alike."
    return (
        f"A rule that reads only the name of the source is right for {number(dataset['source_only_accuracy'])} of the "
        "test images. The nearer to 1, the less the results above can tell the disease from the collection."
    )


def _limits(facts: Mapping, report: Mapping) -> str:
    found = [
        "The test split comes from the collections that training saw; only external numbers speak of other places.",
        "Labels, ages, sexes and views are those the collections give, and often unknown.",
        f"The smallest class of the test split has {_fewest(facts['test'])} pictures: mind the intervals.",
    ]
    if not facts["external"]:
        found.append("No external set was scored.")
    if "audit" not in report:
        found.append("The dataset was not audited for shortcuts.")
    if facts["training"]["streaming"]:
        found.append("Training streamed its pictures in a partly shuffled order.")
    return "\n".join(f"- {sentence}" for sentence in found)


def _fewest(scores: Mapping) -> int:
    return min(scores["n_covid"], scores["n"] - scores["n_covid"])


def _failures(facts: Mapping) -> str:
    lines = [_mistakes(name, scores) for name, scores in scored(facts).items()]
    worst = (
        "The most confident mistakes are kept as pictures in the run's folder, for its owner's eyes; none is published."
    )
    return "\n".join([*(f"- {line}" for line in lines), "", worst])


def _mistakes(name: str, scores: Mapping) -> str:
    covid, others = scores["n_covid"], scores["n"] - scores["n_covid"]
    missed, false = _count(scores["sensitivity"], covid), _count(scores["specificity"], others)
    said = f"{missed:,} of {covid:,} COVID pictures were missed and {false:,} of {others:,} others called COVID"
    return f"{name}: {said}{_worst_group(scores)}."


def _count(right: float | None, among: int) -> int:
    return 0 if right is None else round((1 - right) * among)


def _worst_group(scores: Mapping) -> str:
    """The subgroup of ten pictures or more with the lowest accuracy, where that lies under the whole's interval."""
    groups = [g for g in scores["subgroups"] if g["n"] >= 10 and g["accuracy"] is not None]
    low = scores["intervals"]["accuracy"]
    worst = min(groups, key=lambda group: group["accuracy"], default=None)
    if worst is None or low is None or worst["accuracy"] >= low[0]:
        return ""
    return (
        f"; worst off is {worst['by']} {worst['value']}, accuracy {with_interval(worst, 'accuracy')}, n = {worst['n']}"
    )
