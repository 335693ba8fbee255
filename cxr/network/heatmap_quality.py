"""Whether a model's heatmaps may be shown, and what is said beside them: by what was measured on patients, in words.

`metrics.json` holds the measurements (`heatmaps`, see `cxr.statistics.localization`). A map that was not measured on
patients, or not found better than chance, would lend a verdict an authority that it does not have.
"""

from collections.abc import Mapping

from cxr.schema.heatmaps import Heatmaps, HeatmapSummary

NOT_MEASURED = "Whether the heatmap points at disease was not measured on patients"
NOT_BETTER = "The heatmap was not found to point at disease more often than chance"


def measured_sets(heatmaps: Heatmaps | None) -> dict[str, HeatmapSummary]:
    """The sets on which maps were measured, by their names in sentences."""
    if heatmaps is None:
        return {}
    own = {"its own test split": heatmaps["test"]} if heatmaps["test"] else {}
    return own | dict(heatmaps["external"])


def is_better_than_chance(found: HeatmapSummary) -> bool:
    """Whether the lower end of the pointing game's 95 % interval lies above chance.

    The pointing game is about what a reader takes from a map, its brightest place. Chance, the mean marked share of the
    part that the network sees, depends on the marks alone and not on any model, so it is a level and not an estimate
    with which the map would have to be paired. Without an interval there are too few patients to find anything. That a
    fixed place or an untrained network does better is no reason to hide a map, but it is said beside it.
    """
    interval, chance = (
        found["class_activation_map"]["intervals"]["pointing_game"],
        found["chance"]["pointing_game"],
    )
    return interval is not None and interval[0] > chance


def may_be_shown(measured: Mapping[str, HeatmapSummary]) -> bool:
    """Whether maps were measured on patients, and found better than chance on each set on which they were."""
    return bool(measured) and all(map(is_better_than_chance, measured.values()))


def in_words(measured: Mapping[str, HeatmapSummary]) -> str:
    """What stands beside a heatmap: the measured figures, after the reason where it is not to be shown."""
    if not measured:
        return f"{NOT_MEASURED}."
    figures = " ".join(figures_in_words(name, found) for name, found in measured.items())
    return figures if may_be_shown(measured) else f"{NOT_BETTER}. {figures}"


def figures_in_words(name: str, found: HeatmapSummary) -> str:
    """The pointing game on one set: "On its own test split (265 images with marked opacities) …"."""
    given, usual, random = (
        _percent(found[way]["pointing_game"]) for way in ("class_activation_map", "usual_place", "random_weights")
    )
    interval = found["class_activation_map"]["intervals"]["pointing_game"]
    ends = f" (95 % interval {100 * interval[0]:.0f}–{100 * interval[1]:.0f})" if interval else ""
    return (
        f"On {name}, the heatmap's strongest place lay in an opacity that people had marked in {given} of "
        f"{found['n']:,} images{ends}; by chance {_percent(found['chance']['pointing_game'])}, always the usual place "
        f"{usual}, an untrained network {random}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
