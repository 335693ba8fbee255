"""The page's API, for `gradio_client`, plain HTTP and MCP alike: a picture file in, docs/answer.schema.json out."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from cxr.errors import UserError
from cxr.imaging.reader import Radiograph
from cxr.serving import on_gpu
from cxr.serving.answer import Explanation
from cxr.serving.predictor import Predictor
from cxr.serving.web import pages, uploads
from cxr.serving.web.time_limit import Patience


class Endpoints:
    """What programs may call; names and docstrings are the documentation that they are shown."""

    def __init__(self, predictor: Predictor, within: Patience):
        self._read = predictor.read
        self._explain = on_gpu(predictor.explain)
        self._within = within

    def predict(self, file: bytes | None) -> dict[str, Any]:
        """Classify one frontal chest X-ray as COVID-19 or not. Research software, no diagnosis.

        Args:
            file: one picture: PNG, JPEG, WEBP, TIFF, BMP, GIF or DICOM, 8 or 16 bit.

        Returns:
            JSON with verdict, probability of COVID-19, threshold, conformal set, gate score, model id and revision.
        """
        return self._asked(lambda explained, xray: explained.answer.to_dict(), file)

    def explain(self, file: bytes | None) -> dict[str, Any]:
        """Classify one frontal chest X-ray and show what speaks for COVID-19. Research software, no diagnosis.

        Args:
            file: one picture: PNG, JPEG, WEBP, TIFF, BMP, GIF or DICOM, 8 or 16 bit.

        Returns:
            The JSON of predict with heatmap: the class activation map, a base64 PNG (RGBA) to lay over the picture.
        """
        return self._asked(_with_heatmap, file)

    def _asked(self, how: Callable[[Explanation, Radiograph], dict[str, Any]], file: bytes | None) -> dict[str, Any]:
        try:
            if file is None:
                raise UserError("no file was given: send one picture")
            return self._within(self._answer, how, file)
        except UserError as error:
            raise gr.Error(pages.said(str(error)), print_exception=False) from error

    def _answer(self, how: Callable[[Explanation, Radiograph], dict[str, Any]], file: bytes) -> dict[str, Any]:
        xray = self._read(file)
        return how(self._explain(xray), xray)


def _with_heatmap(explained: Explanation, xray: Radiograph) -> dict[str, Any]:
    return explained.answer.to_dict() | {"heatmap": pages.heat(explained, xray.pixels)}


def add(endpoints: Endpoints) -> None:
    """Add the endpoints to the page that is being built, on components that nobody sees."""
    file, result = uploads.file_input(visible=False), gr.JSON(label="Answer", visible=False)
    for function in (endpoints.predict, endpoints.explain):
        gr.Button(visible=False).click(function, file, result, api_name=function.__name__, concurrency_id="model")
