"""The API, for `gradio_client`, plain HTTP and MCP: an image file in, docs/answer.schema.json out."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from cxr.errors import UserError
from cxr.imaging.reader import Radiograph
from cxr.serving import on_gpu
from cxr.serving.answer import Explanation
from cxr.serving.heatmap import overlay_png
from cxr.serving.predictor import Predictor
from cxr.serving.web.pages import as_sentence
from cxr.serving.web.protection.gradio_patches import refuse_addresses
from cxr.serving.web.protection.limits import CONCURRENT_REQUESTS, Turns

Response = dict[str, Any]
"""JSON as docs/answer.schema.json describes it."""


class Endpoints:
    """The functions that programs can call; names and docstrings are what the API's documentation shows."""

    def __init__(self, predictor: Predictor, turns: Turns):
        self._explain = on_gpu(predictor.explain)
        self._heatmap_words = predictor.heatmap_words
        self._turns = turns

    def predict(self, file: bytes | None) -> Response:
        """Classify one frontal chest X-ray as COVID-19 or not. Research software, not a diagnosis.

        Args:
            file: one image: PNG, JPEG, WEBP, TIFF, BMP, GIF or DICOM, 8 or 16 bit.

        Returns:
            JSON with verdict, probability of COVID-19, threshold, conformal set, gate score, model id and revision.
        """
        return self._respond(_answer, file)

    def explain(self, file: bytes | None) -> Response:
        """Classify one frontal chest X-ray and show the evidence for COVID-19. Research software, not a diagnosis.

        Args:
            file: one image: PNG, JPEG, WEBP, TIFF, BMP, GIF or DICOM, 8 or 16 bit.

        Returns:
            The JSON of predict with heatmap: the class activation map, a base64 PNG (RGBA) to lay over the image; and
            heatmap_note: how often such maps were right on patients, or why they are not to be relied on.
        """
        return self._respond(self._answer_with_heatmap, file)

    def _answer_with_heatmap(self, explanation: Explanation, xray: Radiograph) -> Response:
        height, width = xray.pixels.shape
        heatmap = {"heatmap": overlay_png(explanation, (width, height)), "heatmap_note": self._heatmap_words}
        return explanation.answer.model_dump() | heatmap

    def _respond(self, to_response: Callable[[Explanation, Radiograph], Response], file: bytes | None) -> Response:
        try:
            if file is None:
                raise UserError("no file was given: send one image")
            return self._turns(lambda xray: to_response(self._explain(xray), xray), file)
        except UserError as error:
            raise gr.Error(as_sentence(str(error)), print_exception=False) from error


def _answer(explanation: Explanation, xray: Radiograph) -> Response:
    return explanation.answer.model_dump()


def add_endpoints(endpoints: Endpoints) -> None:
    """Add the endpoints to the page that is being built, with invisible components."""
    file = refuse_addresses(gr.File(type="binary", label="Chest X-ray", visible=False))
    result = gr.JSON(label="Answer", visible=False)
    for function in (endpoints.predict, endpoints.explain):
        gr.Button(visible=False).click(
            function,
            file,
            result,
            api_name=function.__name__,
            concurrency_id="model",
            concurrency_limit=CONCURRENT_REQUESTS,
        )
