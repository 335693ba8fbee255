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
from PIL import Image
from tiny import Published
from transformers import pipeline

import predict


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


def test_all_doors_give_the_same_answer(
    client: Client, app_url: str, published: Published, xray: Path, capsys: pytest.CaptureFixture[str]
):
    by_client = ask(client, xray)
    predict.main(["--model", published.repo_id, "--revision", published.revision, "--json", str(xray)])
    by_terminal = json.loads(capsys.readouterr().out)
    stream = ask_http(app_url, upload(app_url, xray))
    assert "event: complete" in stream
    (by_http,) = json.loads(stream.split("data: ")[1])
    assert by_client == by_http == {key: value for key, value in by_terminal.items() if key != "file"}
    scores = {row["label"]: row["score"] for row in pipeline("image-classification", str(published.folder))(str(xray))}
    assert by_client["probability"] == pytest.approx(scores["COVID"], abs=1e-5)


def test_the_pinned_commit_answers(client: Client, published: Published, xray: Path):
    answer = ask(client, xray)
    assert (answer["model_id"], answer["revision"]) == (published.repo_id, published.revision)


def test_sixteen_bits_arrive_as_they_are(client: Client, xray: Path, xray16: Path):
    assert ask(client, xray16)["probability"] == pytest.approx(ask(client, xray)["probability"], abs=1e-6)


@pytest.mark.parametrize(
    ("content", "said"), [(b"no picture", "no image we can read"), (b"", "is empty"), (b"\x89PNG\r\n", "is damaged")]
)
def test_what_cannot_be_read_gets_one_sentence(client: Client, app_url: str, tmp_path: Path, content: bytes, said: str):
    path = tmp_path / "upload.png"
    path.write_bytes(content)
    with pytest.raises(AppError) as caught:
        ask(client, path)
    message = str(caught.value)
    assert said in message
    assert message.startswith("The picture ")
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


def test_files_of_the_server_cannot_be_asked_about(app_url: str, published: Published):
    assert "event: error" in ask_http(app_url, str(published.folder / "config.json"))


def test_the_map_comes_on_request_beside_the_same_answer(client: Client, xray: Path):
    explained = client.predict(handle_file(str(xray)), api_name="/explain")
    with Image.open(io.BytesIO(base64.b64decode(explained.pop("heatmap")))) as heat, Image.open(xray) as picture:
        assert heat.mode == "RGBA"
        assert heat.width / heat.height == pytest.approx(picture.width / picture.height, rel=0.02)
    assert explained == ask(client, xray)


def test_only_the_endpoints_are_documented(client: Client):
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/predict", "/explain"]
