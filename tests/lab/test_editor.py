"""The committed schemas in yaml-language-server, which most editors run: messages about the right kind."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import IO, Any

import pytest

from schemas.generate import ANY_DOCUMENT, ROOT, SCHEMAS
from tests.unit.schemas.test_editors import HEAD, MISTAKES

pytestmark = pytest.mark.engine
Editor = Callable[[str], list[tuple[int, str]]]


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Editor:
    """What the language server says of a text: line from 1, and message."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is missing")
    folder = tmp_path_factory.mktemp("server")
    command = [
        npm,
        "install",
        "--no-audit",
        "--no-fund",
        "--prefix",
        str(folder),
        "yaml-language-server@2.0.0",
    ]
    subprocess.run(command, check=True, capture_output=True)

    def diagnostics(text: str) -> list[tuple[int, str]]:
        server = subprocess.Popen(
            [str(folder / "node_modules/.bin/yaml-language-server"), "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with server:
            assert server.stdin is not None
            assert server.stdout is not None
            try:
                return _diagnostics(server.stdin, server.stdout, text, (folder / "document.yaml").as_uri())
            finally:
                server.terminate()

    return diagnostics


def _diagnostics(given: IO[bytes], said: IO[bytes], text: str, uri: str) -> list[tuple[int, str]]:
    """The Language Server Protocol, as far as it takes to open one document."""
    _send(given, id=1, method="initialize", params={"processId": None, "rootUri": None, "capabilities": {}})
    while True:
        message = _receive(said)
        if message.get("id") == 1 and "result" in message:
            _send(given, method="initialized", params={})
            opened = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
            _send(given, method="textDocument/didOpen", params={"textDocument": opened})
        elif message.get("method") == "textDocument/publishDiagnostics":
            found = message["params"]["diagnostics"]
            return sorted((item["range"]["start"]["line"] + 1, item["message"]) for item in found)
        elif "id" in message:
            # It asks for the settings of the editor.
            _send(given, id=message["id"], result=[{} for _ in message["params"].get("items", ())])


def _send(given: IO[bytes], **message: Any) -> None:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    given.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    given.flush()


def _receive(said: IO[bytes]) -> dict[str, Any]:
    length = 0
    while header := said.readline().strip():
        name, _, value = header.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    answer: dict[str, Any] = json.loads(said.read(length))
    return answer


def test_an_editor_reports_what_is_wrong_with_the_kind_alone(editor: Editor) -> None:
    schema = f"# yaml-language-server: $schema={(ROOT / SCHEMAS / ANY_DOCUMENT).as_uri()}\n"
    wrong_type, unknown, missing, version = (editor(schema + text) for text in MISTAKES)
    assert wrong_type == [(7, 'Incorrect type. Expected "string".')]
    assert unknown == [(7, "Property cidrs is not allowed.")]
    assert [line for line, _ in missing] == [5, 6]
    assert 'Missing property "authentication".' in {message for _, message in missing}
    assert [line for line, _ in version] == [2]
    ((line, message),) = editor(schema + HEAD.format(kind="VpcNetwrk") + "  cidr: 10.1.0.0/24\n")
    assert (line, '"VpcNetwork"' in message) == (3, True)
    assert editor(schema + HEAD.format(kind="VpcNetwork") + "  cidr: 10.1.0.0/24\n") == []
