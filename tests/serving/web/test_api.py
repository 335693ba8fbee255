import asyncio
import base64
import io
import json
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from jsonschema import Draft202012Validator
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult
from PIL import Image
from support import ROOT
from tiny import Published
from transformers import pipeline

import predict
from cxr.imaging.decoders import NO_IMAGE
from cxr.serving.web.pages import as_sentence

SCHEMA = Draft202012Validator(json.loads((ROOT / "docs" / "answer.schema.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def client(app_url: str) -> Client:
    return Client(app_url, verbose=False)


def ask(client: Client, path: Path) -> dict[str, object]:
    return client.predict(handle_file(str(path)), api_name="/predict")


def post(url: str, body: bytes, kind: str) -> object:
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())


def upload(url: str, path: Path) -> str:
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n\r\n'
    body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    return post(f"{url}gradio_api/upload", body, f"multipart/form-data; boundary={boundary}")[0]


def ask_http(url: str, where: str) -> str:
    """The event stream that two plain requests end in."""
    data = json.dumps({"data": [{"path": where, "meta": {"_type": "gradio.FileData"}}]}).encode()
    event = post(f"{url}gradio_api/call/predict", data, "application/json")["event_id"]
    with urllib.request.urlopen(f"{url}gradio_api/call/predict/{event}", timeout=60) as stream:
        return stream.read().decode()


def data_url(path: Path) -> str:
    return f"data:application/octet-stream;base64,{base64.b64encode(path.read_bytes()).decode()}"


def ask_mcp(url: str, file: str, tool: str = "predict") -> tuple[bool, str]:
    """Whether a tool's call failed, and the one text it came back with."""

    async def call() -> CallToolResult:
        async with streamable_http_client(f"{url}gradio_api/mcp/") as streams, ClientSession(*streams[:2]) as session:
            await session.initialize()
            return await session.call_tool(tool, {"file": file})

    result = asyncio.run(call())
    (content,) = result.content
    return result.isError, content.text


def test_every_interface_gives_the_same_answer(
    client: Client, app_url: str, published: Published, xray: Path, capsys: pytest.CaptureFixture[str]
):
    by_client = ask(client, xray)
    predict.main(["--model", published.repo_id, "--revision", published.revision, "--json", str(xray)])
    by_terminal = json.loads(capsys.readouterr().out)
    stream = ask_http(app_url, upload(app_url, xray))
    assert "event: complete" in stream
    (by_http,) = json.loads(stream.split("data: ")[1])
    by_mcp = json.loads(ask_mcp(app_url, data_url(xray))[1])
    assert by_client == by_http == by_mcp == {key: value for key, value in by_terminal.items() if key != "file"}
    for answer in (by_client, by_terminal):
        SCHEMA.validate(answer)
    scores = {row["label"]: row["score"] for row in pipeline("image-classification", str(published.folder))(str(xray))}
    assert by_client["probability"] == pytest.approx(scores["COVID"], abs=0.01)


def test_the_pinned_commit_answers(client: Client, published: Published, xray: Path):
    answer = ask(client, xray)
    assert (answer["model_id"], answer["revision"]) == (published.repo_id, published.revision)


def test_sixteen_bits_arrive_as_they_are(client: Client, xray: Path, xray16: Path):
    assert ask(client, xray16)["probability"] == pytest.approx(ask(client, xray)["probability"], abs=1e-6)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"not an image", "not an image we can read"), (b"", "is empty"), (b"\x89PNG\r\n", "is damaged")],
)
def test_what_cannot_be_read_gets_one_sentence(client: Client, app_url: str, tmp_path: Path, content: bytes, said: str):
    path = tmp_path / "upload.png"
    path.write_bytes(content)
    with pytest.raises(AppError) as caught:
        ask(client, path)
    message = str(caught.value)
    assert said in message
    assert message.startswith("The image ")
    assert "\n" not in message.strip()
    stream = ask_http(app_url, upload(app_url, path))
    assert "event: error" in stream
    assert said in stream


def test_no_file_gets_one_sentence(client: Client):
    with pytest.raises(AppError, match="No file was given"):
        client.predict(None, api_name="/predict")


def test_addresses_are_not_fetched(client: Client, app_url: str):
    with pytest.raises(AppError, match="addresses are not fetched"):
        client.predict(handle_file(f"{app_url}favicon.ico"), api_name="/predict")


def test_files_of_the_server_are_not_read(app_url: str, published: Published):
    assert "event: error" in ask_http(app_url, str(published.folder / "config.json"))


def test_the_map_comes_on_request_beside_the_same_answer(client: Client, app_url: str, xray: Path):
    explained = client.predict(handle_file(str(xray)), api_name="/explain")
    with Image.open(io.BytesIO(base64.b64decode(explained.pop("heatmap")))) as heat, Image.open(xray) as image:
        assert heat.mode == "RGBA"
        assert heat.width / heat.height == pytest.approx(image.width / image.height, rel=0.02)
    assert "not measured on patients" in explained.pop("heatmap_note")
    assert explained == ask(client, xray)
    assert explained["where"] == ""
    failed, by_mcp = ask_mcp(app_url, data_url(xray), "explain")
    assert not failed
    SCHEMA.validate(json.loads(by_mcp))
    assert {key: value for key, value in json.loads(by_mcp).items() if not key.startswith("heatmap")} == explained


def test_a_tool_takes_the_address_of_an_upload_and_no_other(
    app_url: str, client: Client, xray: Path, published: Published
):
    failed, said = ask_mcp(app_url, f"{app_url}gradio_api/file={upload(app_url, xray)}")
    assert not failed
    assert json.loads(said) == ask(client, xray)
    outside = published.folder / "config.json"
    for address in (f"{app_url}favicon.ico", f"{app_url}gradio_api/file={outside}", str(outside), "data:;base64,!"):
        failed, said = ask_mcp(app_url, address)
        assert failed
        assert "send an image as a data: URL" in said or "not an image we can read" in said or "is empty" in said


def test_a_tool_says_in_one_sentence_what_it_cannot_read(app_url: str, text: Path):
    assert ask_mcp(app_url, data_url(text)) == (True, as_sentence(f"the image {NO_IMAGE}"))


@pytest.mark.parametrize("spoil", [{"probability": 1.2}, {"verdict": "sick"}, {"surprise": 1}, {"revision": None}])
def test_the_schema_is_no_rubber_stamp(client: Client, xray: Path, spoil: dict[str, object]):
    assert list(SCHEMA.iter_errors(ask(client, xray) | spoil))


def test_only_the_endpoints_are_documented(client: Client):
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/predict", "/explain"]
