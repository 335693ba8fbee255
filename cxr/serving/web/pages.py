"""The HTML that visitors read: an answer, a reason why there is none, and the ways forward without a model.

Everything that comes from outside (model ids, error texts) is escaped here; pictures are inlined, so that no copy
of an upload lies behind a URL.
"""

import base64
import io
from html import escape

import huggingface_hub
import numpy as np
from PIL import Image

from cxr.schema.verdicts import DISCLAIMER, NEGATIVE, OF_CLASS, POSITIVE, REFUSED, UNCERTAIN
from cxr.serving import heatmap
from cxr.serving.answer import Answer, Explanation
from cxr.serving.model_info import Record
from cxr.serving.predictor import Predictor

_PREVIEW, _HEAT = 640, 160
TONES = {
    POSITIVE: ("positive", "▲"),
    NEGATIVE: ("negative", "●"),
    UNCERTAIN: ("uncertain", "◆"),
    REFUSED: ("refused", "✕"),
}
ABOVE = "At or above its threshold, this model reports a COVID-19 pattern."
_MEANINGS = {
    POSITIVE: "The probability lies clearly above the model's threshold.",
    NEGATIVE: "It lies clearly below.",
    UNCERTAIN: "It lies where pictures of both classes lie, or too few were seen to promise anything.",
    REFUSED: "A photograph, a page of text, an X-ray that is inverted or turned: no class is given.",
}
_PUBLIC_HUB = "https://huggingface.co"


def picture(pixels: np.ndarray, alt: str) -> str:
    """An `<img>` of a uint8 (H, W) picture, at most 640 pixels wide and high, inlined as PNG."""
    image = Image.fromarray(pixels)
    image.thumbnail((_PREVIEW, _PREVIEW), Image.Resampling.LANCZOS)
    return f'<img src="data:image/png;base64,{_base64(np.asarray(image))}" alt="{escape(alt)}">'


def _base64(pixels: np.ndarray) -> str:
    return base64.b64encode(png(pixels)).decode()


def png(pixels: np.ndarray) -> bytes:
    """A picture, uint8 (H, W) or (H, W, channels), as the bytes of a PNG file, which is made quickly, not small."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def said(reason: str) -> str:
    """An error's line as a sentence, "The picture is empty."; a name at its start stays as it is spelt."""
    line = " ".join(reason.split()).rstrip(".")
    start = line[:1].upper() if line.split(" ")[0].isalpha() else line[:1]
    return f"{start}{line[1:]}."


def header(predictor: Predictor) -> str:
    """Title, purpose, and what must be known about the model before the first question."""
    return f"""<header><h1>COVID-19 in chest X-rays</h1>
<p>Give a frontal chest X-ray; a neural network answers with a probability. {escape(DISCLAIMER)}</p>
{_notice(predictor.notice)}</header>"""


def _notice(text: str) -> str:
    return f'<p class="notice"><strong>About this model.</strong> {escape(text)}</p>' if text else ""


def waiting(record: Record) -> str:
    """What stands where the answer will be: what it can be, and who will give it."""
    verdicts = "".join(f"<dt>{_marked(verdict)}</dt><dd>{escape(_MEANINGS[verdict])}</dd>" for verdict in TONES)
    return f"""<div class="card waiting"><h2>The answer appears here</h2>
<p>Give one X-ray for an answer with its heatmap, several for a table, or try a synthetic example.</p>
<dl class="verdicts">{verdicts}</dl><footer>{source(record)}</footer></div>"""


def _marked(verdict: str) -> str:
    tone, mark = TONES[verdict]
    return f'<span class="{tone}"><span class="mark" aria-hidden="true">{mark}</span></span> {escape(title(verdict))}'


def answer(explained: Explanation, pixels: np.ndarray, record: Record, caption: str) -> str:
    """The card of one answer: verdict, why, numbers, source, and the picture it is about with the map over it.

    A warning about the picture stands beside the verdict, unless the picture was refused anyway.
    """
    given = explained.answer
    tone, mark = TONES[given.verdict]
    return f"""<article class="card {tone}">
<div class="words">
<h2><span class="mark" aria-hidden="true">{mark}</span> {escape(title(given.verdict))}</h2>
{_paragraph(given.why)}
{_warned(given.warning) if given.verdict != REFUSED else ""}
{_refused(given) if given.verdict == REFUSED else _numbers(given)}
<p class="disclaimer">{escape(given.disclaimer)}</p></div>
{_figure(explained, pixels, caption)}
<footer>{source(record)}</footer></article>"""


def title(text: str) -> str:
    """With a capital; "no COVID-19 pattern" and its opposite stay as they are spelt everywhere."""
    return text if text in OF_CLASS.values() else text[:1].upper() + text[1:]


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>" if text else ""


def _warned(text: str) -> str:
    return f'<p class="notice"><strong>Beware.</strong> {escape(text)}</p>' if text else ""


def _numbers(given: Answer) -> str:
    return f"""<p class="sentence">{escape(given.numbers.capitalize())}</p>
{_scale(given)}
<p>{ABOVE}</p>
{_paragraph(given.evidence)}"""


def _refused(given: Answer) -> str:
    return f"""<p>Give an upright frontal chest X-ray, as a file and not as a photograph of a screen.</p>
<p>The network's number, for the record: {escape(given.numbers)}.</p>"""


def _figure(explained: Explanation, pixels: np.ndarray, caption: str) -> str:
    """The picture, and where the gate let it pass, the map over it with a slider for its opacity."""
    shown, words = picture(pixels, caption), escape(caption)
    if not explained.answer.where:
        return f"<figure>{shown}<figcaption>{words}</figcaption></figure>"
    return f"""<figure><div class="xray">{shown}
<img class="heat" src="data:image/png;base64,{heat(explained, pixels)}" alt=""></div>
<label class="opacity">Heatmap <input type="range" min="0" max="1" step="0.05" value="0.5"
 aria-label="Opacity of the heatmap" oninput="this.closest('figure').style.setProperty('--heat', this.value)"></label>
<figcaption>{words}. Colour: evidence for COVID-19, the brighter the more.</figcaption></figure>"""


def heat(explained: Explanation, pixels: np.ndarray) -> str:
    """The map as a base64 PNG, RGBA, in the proportions of the picture uint8 (H, W), at most 160 pixels wide and high.

    It has no finer detail than that; stretched over the whole picture it lies where the network looked.
    """
    size = heatmap.preview(pixels.shape[::-1], _HEAT)
    return _base64(heatmap.overlay(explained.laid(size)))


def _scale(given: Answer) -> str:
    """Probability and threshold on a line from 0 to 1; the sentence above it says the same to a screen reader."""
    threshold = f"{100 * given.threshold:.1f}%"
    return f"""<div class="scale" aria-hidden="true"><div class="track">
<div class="fill" style="width:{100 * given.probability:.1f}%"></div>
<div class="threshold" style="left:{threshold}"></div></div>
<div class="ends" style="--at:{threshold}"><span>0</span><span class="at">threshold</span><span>1</span></div></div>"""


def source(record: Record) -> str:
    """Which model it was, linked where it lies on the public Hub, and what is known about it."""
    name = f"{escape(record.model_id)} @ {escape(record.revision[:7])}"
    if huggingface_hub.constants.ENDPOINT == _PUBLIC_HUB and record.revision != "local":
        url = f"{_PUBLIC_HUB}/{record.model_id}/tree/{record.revision}"
        name = f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{name}</a>'
    known = " ".join(escape(sentence) for sentence in (record.headline, *record.outside))
    return f"""<div class="source"><p>Model <code title="{escape(record.revision)}">{name}</code></p><p>{known}</p>
{_paragraph(record.notice)}</div>"""


def unreadable(reason: str) -> str:
    """Why there is no answer, in one sentence, and what to give instead."""
    return f"""<div class="card unreadable"><h2><span class="mark" aria-hidden="true">✕</span> No answer</h2>
<p class="sentence">{escape(said(reason))}</p>
<p>Give one picture file of a frontal chest X-ray.</p></div>"""


def examples(pictures: list[tuple[np.ndarray, str]]) -> str:
    """Thumbnails of synthetic pictures as buttons; each knows its place in the list."""
    buttons = "".join(
        f'<button type="button" data-index="{index}">{picture(pixels, "")}<span>{escape(caption)}</span></button>'
        for index, (pixels, caption) in enumerate(pictures)
    )
    return f"""<div class="examples"><h2>Synthetic examples</h2>
<p>Drawn by a program; no patient.</p><div class="thumbs">{buttons}</div></div>"""


def ways_forward(reason: str, on_space: bool) -> str:
    """The page without a model: why, and three steps that lead to one."""
    where = "In the Space's settings, set the variable" if on_space else "Start the app with"
    named = "<code>MODEL_ID=USER/NAME</code>" if on_space else "<code>python app.py --model USER/NAME</code>"
    return f"""<section class="card missing"><h1>No model to ask yet</h1><p role="alert">{escape(said(reason))}</p>
<h2>Three ways forward</h2><ol>
<li><strong>Name a model.</strong> {where} {named}; <code>MODEL_REVISION</code> pins a branch, tag or commit.</li>
<li><strong>Name it in the README.</strong> Put <code>models: [USER/NAME]</code> into the front matter of the README.md
beside app.py.</li>
<li><strong>Train one.</strong> <code>make demo</code> trains and publishes a small model on synthetic pictures;
<code>python train_hf.py --help</code> shows the way with your own.</li></ol>
<p>Then restart the app. {escape(DISCLAIMER)}</p></section>"""
