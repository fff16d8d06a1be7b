"""What the demo's server gives to whoever can send it requests: nothing but answers on files that were uploaded."""

import json
import os
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("gradio")

LIMIT_MB = 1
VARIABLES = ("GRADIO_ANALYTICS_ENABLED", "GRADIO_TEMP_DIR", "HF_HUB_DISABLE_TELEMETRY", "NO_PROXY", "no_proxy")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The page's address, the files that were answered on, and a file of this machine that nobody may see."""
    from covidnet.demo.page import build, keep_to_itself, serve

    folder = tmp_path_factory.mktemp("demo")
    secret = folder / "secret.png"
    secret.write_text("hidden")
    seen = []

    def answer(file):
        seen.append(file)
        return "answered", ""

    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.setenv(name, os.environ.get(name, ""))
        patch.setenv("no_proxy", "*")
        (folder / "uploads").mkdir()
        keep_to_itself(folder / "uploads")
        assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "0"
        page = build("heading", answer)
        address = serve(page, None, max_upload_mb=LIMIT_MB, browser=False)
        yield page, address, seen, secret
        page.close(verbose=False)


def asked(address, body=None, **headers):
    """Status and text of a request."""
    request = urllib.request.Request(address, data=body, headers=headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as reply:
            return reply.status, reply.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")


def run_on(address, path, session):
    """What the server says when its function is asked for a file by its path."""
    data = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
    body = json.dumps({"data": [data], "fn_index": 0, "session_hash": session}).encode()
    status, text = asked(f"{address}gradio_api/queue/join", body, **{"Content-Type": "application/json"})
    return text if status != 200 else asked(f"{address}gradio_api/queue/data?session_hash={session}")[1]


def uploaded(address, content):
    """Status and text of an upload."""
    body = b'--b\r\nContent-Disposition: form-data; name="files"; filename="x.png"\r\n\r\n' + content + b"\r\n--b--\r\n"
    return asked(f"{address}gradio_api/upload", body, **{"Content-Type": "multipart/form-data; boundary=b"})


def test_only_this_machine_can_reach_it(served):
    page, address, _, _ = served
    assert page.server.config.host == "127.0.0.1" and address.startswith("http://127.0.0.1:")
    assert not page.share


def test_a_page_of_another_name_is_refused(served):
    assert asked(served[1], Host="evil.example")[0] == 400


@pytest.mark.parametrize("route", ["gradio_api/file=", "file=", "gradio_api/file/", "static/", "assets/"])
def test_no_file_of_this_machine_is_served(served, route):
    _, address, _, secret = served
    for path in (secret, f"../../../../../../{secret}", "/etc/passwd", Path(__file__).resolve(), "pyproject.toml"):
        status, text = asked(f"{address}{route}{path}")
        assert status >= 400 and "hidden" not in text and "root:" not in text and "covidnet" not in text


def test_no_file_but_an_uploaded_one_is_answered_on(served):
    _, address, seen, secret = served
    for number, path in enumerate((secret, "/etc/passwd", "http://127.0.0.1:1/x.png", "../secret.png")):
        assert '"success":false' in run_on(address, path, f"s{number}").replace(" ", "")
    assert seen == []
    (path,) = json.loads(uploaded(address, b"small")[1])
    assert "answered" in run_on(address, path, "own")
    assert [Path(file).read_bytes() for file in seen] == [b"small"]


def test_too_large_an_upload_is_refused(served):
    assert uploaded(served[1], bytes((LIMIT_MB << 20) + 1000))[0] == 413
