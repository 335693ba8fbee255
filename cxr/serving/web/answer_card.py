"""The HTML card of one answer: verdict, numbers, model, and the image with its heatmap.

Everything that comes from outside (model ids, error texts) is escaped; images are inlined, so that no upload can be
fetched from a URL.
"""

from html import escape

import huggingface_hub
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxr.schema.verdicts import NEGATIVE, OF_CLASS, POSITIVE, REFUSED, UNCERTAIN
from cxr.serving import heatmap
from cxr.serving.answer import Answer, Explanation
from cxr.serving.model_info import ModelInfo

TONES: dict[str, tuple[str, str]] = {
    POSITIVE: ("positive", "▲"),
    NEGATIVE: ("negative", "●"),
    UNCERTAIN: ("uncertain", "◆"),
    REFUSED: ("refused", "✕"),
}
"""CSS class and mark of each verdict."""

THRESHOLD_SENTENCE = "The model reports a COVID-19 pattern at or above its threshold."
_SHOW_MAP = '<button type="button" class="show-map" aria-expanded="false">Show the map anyway</button>'
_PREVIEW_SIDE = 640
_PUBLIC_HUB = "https://huggingface.co"


def answer_card(explanation: Explanation, pixels: NDArray[np.uint8], model: ModelInfo, caption: str) -> str:
    """The card of one answer about an image, uint8 (H, W).

    A warning about the image stands beside the verdict, unless the image was refused anyway.
    """
    answer = explanation.answer
    tone, mark = TONES[answer.verdict]
    return f"""<article class="card {tone}">
<div class="words">
<h2><span class="mark" aria-hidden="true">{mark}</span> {escape(title(answer.verdict))}</h2>
{paragraph(answer.why)}
{_refused(answer) if answer.verdict == REFUSED else warning(answer.warning) + _numbers(answer)}
<p class="disclaimer">{escape(answer.disclaimer)}</p></div>
{_figure(explanation, pixels, model, caption)}
<footer>{model_source(model)}</footer></article>"""


def title(text: str) -> str:
    """Text with a capital letter; verdicts that are a class keep their spelling."""
    return text if text in OF_CLASS.values() else text[:1].upper() + text[1:]


def paragraph(text: str) -> str:
    """A paragraph, or nothing for an empty text."""
    return f"<p>{escape(text)}</p>" if text else ""


def warning(text: str) -> str:
    """A paragraph that calls for caution, or nothing for an empty text."""
    return f'<p class="notice"><strong>Caution.</strong> {escape(text)}</p>' if text else ""


def _numbers(answer: Answer) -> str:
    return f"""<p class="sentence">{escape(answer.numbers.capitalize())}</p>
{_scale(answer)}
<p>{THRESHOLD_SENTENCE}</p>
{paragraph(answer.zone_sentence)}"""


def _refused(answer: Answer) -> str:
    return f"""<p>Upload an upright frontal chest X-ray as a file, not as a photograph of a screen.</p>
<p>The network's output, for reference: {escape(answer.numbers)}.</p>"""


def _scale(answer: Answer) -> str:
    """Probability and threshold on a line from 0 to 1; screen readers get them from the sentence above."""
    threshold = f"{100 * answer.threshold:.1f}%"
    return f"""<div class="scale" aria-hidden="true"><div class="track">
<div class="fill" style="width:{100 * answer.probability:.1f}%"></div>
<div class="threshold" style="left:{threshold}"></div></div>
<div class="ends" style="--at:{threshold}"><span>0</span><span class="at">threshold</span><span>1</span></div></div>"""


def _figure(explanation: Explanation, pixels: NDArray[np.uint8], model: ModelInfo, caption: str) -> str:
    """The image and, if the gate passed it, the heatmap over it with a slider for its opacity and what is known of it.

    A heatmap that was not found right on patients waits for a button; page.js shows it.
    """
    preview, text = preview_image(pixels, caption), escape(caption)
    if explanation.answer.gate_passed is False:
        return f"<figure>{preview}<figcaption>{text}</figcaption></figure>"
    height, width = pixels.shape
    kind, button = ("map-shown", "") if model.shows_heatmap else ("", _SHOW_MAP)
    return f"""<figure class="{kind}"><div class="xray">{preview}
<img class="heat" src="data:image/png;base64,{heatmap.overlay_png(explanation, (width, height))}" alt=""></div>
<label class="opacity">Heatmap <input type="range" min="0" max="1" step="0.05" value="0.5"
 aria-label="Opacity of the heatmap"></label>
<figcaption>{text}. <span class="legend">Colour: evidence for COVID-19, on one scale for all images; brighter means
stronger.</span><p class="known">{escape(model.heatmap_words)}</p>{button}</figcaption></figure>"""


def preview_image(pixels: NDArray[np.uint8], alt: str) -> str:
    """An `<img>` of an image, uint8 (H, W), at most 640 pixels wide and high, inlined as PNG."""
    image = Image.fromarray(pixels)
    image.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE), Image.Resampling.LANCZOS)
    return f'<img src="data:image/png;base64,{heatmap.base64_png(np.asarray(image))}" alt="{escape(alt)}">'


def model_source(model: ModelInfo) -> str:
    """Which model answered, linked if it is on the public Hub, and its published results."""
    name = f"{escape(model.model_id)} @ {escape(model.revision[:7])}"
    if huggingface_hub.constants.ENDPOINT == _PUBLIC_HUB and model.revision != "local":
        url = f"{_PUBLIC_HUB}/{model.model_id}/tree/{model.revision}"
        name = f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{name}</a>'
    results = " ".join(escape(sentence) for sentence in (model.headline, *model.external))
    return f"""<div class="source"><p>Model <code title="{escape(model.revision)}">{name}</code></p><p>{results}</p>
{paragraph(model.notice)}</div>"""
