"""Write the JSON Schemas of the documents to `docs/`: `python -m cxr.schema`."""

import json
from pathlib import Path
from typing import Any

from cxr.schema.answer import AnswerJson
from cxr.schema.assessment import Assessment
from cxr.schema.document import json_schema
from cxr.schema.metrics import Metrics
from cxr.schema.report import Report

DOCUMENTS = {
    "answer": (AnswerJson, "The answer about one chest X-ray"),
    "assessment": (Assessment, "assessment.json of assess.py"),
    "metrics": (Metrics, "metrics.json of a finished run"),
    "report": (Report, "report.json of a prepared dataset"),
}


def schemas() -> dict[str, str]:
    """Each schema's file name and text."""
    return {f"{name}.schema.json": _text(json_schema(*document)) for name, document in DOCUMENTS.items()}


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main(folder: Path = Path("docs")) -> None:
    """Write them to `folder`."""
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
