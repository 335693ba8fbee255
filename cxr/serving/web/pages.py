"""The HTML around the answers: header, examples, explanations, errors, and the page without a model."""

from html import escape

import numpy as np
from numpy.typing import NDArray

from cxr.schema.verdicts import DISCLAIMER, NEGATIVE, POSITIVE, REFUSED, UNCERTAIN
from cxr.serving.model_info import ModelInfo
from cxr.serving.predictor import Predictor
from cxr.serving.web.answer_card import TONES, model_source, preview_image, title

_MEANINGS: dict[str, str] = {
    POSITIVE: "The probability is clearly above the model's threshold.",
    NEGATIVE: "The probability is clearly below it.",
    UNCERTAIN: "The probability is in a range where both classes occur, or calibration had too few images to tell.",
    REFUSED: "A photograph, a page of text, or an inverted or rotated X-ray: no class is given.",
}


def as_sentence(reason: str) -> str:
    """An error's line as a sentence, "The image is empty."; a name at its start keeps its spelling."""
    line = " ".join(reason.split()).rstrip(".")
    start = line[:1].upper() if line.split(" ")[0].isalpha() else line[:1]
    return f"{start}{line[1:]}."


def header(predictor: Predictor) -> str:
    """Title, purpose, and reservations about the model."""
    notice = predictor.notice
    about = f'<p class="notice"><strong>About this model.</strong> {escape(notice)}</p>' if notice else ""
    return f"""<header><h1>COVID-19 in chest X-rays</h1>
<p>Upload a frontal chest X-ray, and a neural network estimates the probability of COVID-19. {escape(DISCLAIMER)}</p>
{about}</header>"""


def waiting(model: ModelInfo) -> str:
    """The card in the place of the answer: the possible verdicts, and the model."""
    verdicts = "".join(f"<dt>{_marked(verdict)}</dt><dd>{escape(_MEANINGS[verdict])}</dd>" for verdict in TONES)
    heatmap = " with a heatmap" if model.shows_heatmap else ""
    return f"""<div class="card waiting"><h2>The answer appears here</h2>
<p>Upload one X-ray for an answer{heatmap}, several for a table, or try a synthetic example.</p>
<dl class="verdicts">{verdicts}</dl><footer>{model_source(model)}</footer></div>"""


def _marked(verdict: str) -> str:
    tone, mark = TONES[verdict]
    return f'<span class="{tone}"><span class="mark" aria-hidden="true">{mark}</span></span> {escape(title(verdict))}'


def no_answer(reason: str) -> str:
    """The card of a file without an answer: the reason, and what to upload instead."""
    return f"""<div class="card unreadable"><h2><span class="mark" aria-hidden="true">✕</span> No answer</h2>
<p class="sentence">{escape(as_sentence(reason))}</p>
<p>Upload one image file of a frontal chest X-ray.</p></div>"""


def examples(images: list[tuple[NDArray[np.uint8], str]]) -> str:
    """Thumbnails of synthetic images, uint8 (H, W), with their captions, as buttons that carry their index."""
    buttons = "".join(
        f'<button type="button" data-index="{index}">{preview_image(pixels, "")}<span>{escape(caption)}</span></button>'
        for index, (pixels, caption) in enumerate(images)
    )
    return f"""<div class="examples"><h2>Synthetic examples</h2>
<p>Drawn by a program; not from patients.</p><div class="thumbs">{buttons}</div></div>"""


def without_model(reason: str, on_space: bool) -> str:
    """The page without a model: the reason, and three ways to get one."""
    where = "In the Space's settings, set the variable" if on_space else "Start the app with"
    setting = "<code>MODEL_ID=USER/NAME</code>" if on_space else "<code>python app.py --model USER/NAME</code>"
    return f"""<section class="card missing"><h1>No model is loaded</h1>
<p role="alert">{escape(as_sentence(reason))}</p>
<h2>Three ways forward</h2><ol>
<li><strong>Name a model.</strong> {where} {setting}; <code>MODEL_REVISION</code> pins a branch, tag or commit.</li>
<li><strong>Name it in the README.</strong> Put <code>models: [USER/NAME]</code> into the front matter of the README.md
beside app.py.</li>
<li><strong>Train one.</strong> <code>make demo</code> trains and publishes a small model on synthetic images;
<code>python train_hf.py --help</code> shows how to train on your own data.</li></ol>
<p>Then restart the app. {escape(DISCLAIMER)}</p></section>"""
