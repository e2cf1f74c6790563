"""The official Python client, in the era that the command line names.

Takes the same steps as the other clients and prints one JSON line for each. The exit code is 1 if a
step failed and 2 if the script was called wrongly. With `--authorize` the client finds out by itself how
to get in, and takes the first steps only: `{"open": URL}` is the browser being opened.
"""

import argparse
import json
import sys
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, urlsplit

import anyio
import anyio.abc
import httpx2
from mcp import Client, types
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

STEP_TIMEOUT_S = 30
MODES = {"legacy": "legacy", "auto": "auto", "modern": "2026-07-28"}


class Steps:
    """Takes steps one after the other and prints how each went."""

    def __init__(self) -> None:
        self.failed = False

    async def take(self, step: str, action: Callable[[], Awaitable[object]]) -> None:
        try:
            with anyio.fail_after(STEP_TIMEOUT_S):
                detail = await action()
            ok = True
        except Exception as error:  # every failure of a step is a finding
            self.failed = True
            ok, detail = False, f"{type(error).__name__}: {error}"
        line = {"client": "python", "step": step, "ok": ok, "detail": detail}
        print(json.dumps(line), flush=True)


def text(result: types.CallToolResult) -> str:
    return next(block.text for block in result.content if block.type == "text")


class Memory:
    """What the application keeps: nothing that outlives it."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


async def application(url: str) -> OAuthClientProvider:
    """An application that lets its user open the browser and listens on loopback for the answer."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)

    async def open_browser(address: str) -> None:
        print(json.dumps({"open": address}), flush=True)

    async def answer() -> AuthorizationCodeResult:
        stream = await listener.listeners[0].accept()
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive()
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        target = head.split(b" ", 2)[1].decode()
        params = dict(parse_qsl(urlsplit(target).query))
        assert "code" in params, params
        return AuthorizationCodeResult(code=params["code"], state=params.get("state"), iss=params.get("iss"))

    metadata = OAuthClientMetadata(
        client_name="Test application",
        redirect_uris=[f"http://127.0.0.1:{port}/callback"],
        token_endpoint_auth_method="none",
    )
    return OAuthClientProvider(url, metadata, Memory(), open_browser, answer)


class Session:
    """A connected client and the names of the fixture's tools."""

    def __init__(self, client: Client, prefix: str, asked: list[str]) -> None:
        self.client = client
        self.prefix = prefix
        self.asked = asked

    async def call(self, name: str, arguments: dict | None = None, **extra) -> types.CallToolResult:
        return await self.client.call_tool(self.prefix + name, arguments or {}, **extra)

    async def list(self) -> str:
        names, cursor = [], None
        while True:
            page = await self.client.list_tools(cursor=cursor)
            names += [tool.name for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert self.prefix + "test_simple_text" in names, names
        return f"{len(names)} tools"

    async def simple(self) -> str:
        answer = text(await self.call("test_simple_text"))
        assert answer == "This is a simple text response for testing.", answer
        return answer

    async def error(self) -> str:
        failed = await self.call("test_error_handling")
        assert failed.is_error, "the tool did not fail"
        try:
            unknown = await self.call("no_such_tool")
        except Exception as error:  # a refusal by protocol error
            return f"{text(failed)}; {error}"
        assert unknown.is_error, "an unknown tool was called"
        return f"{text(failed)}; {text(unknown)}"

    async def cancelled_calls(self) -> int:
        return int(text(await self.call("test_cancelled_calls")))

    async def cancel(self) -> str:
        before = await self.cancelled_calls()
        with anyio.CancelScope() as scope:

            async def on_progress(_done: float, _total: float | None, _message: str | None) -> None:
                scope.cancel()

            await self.call("test_wait", {"seconds": 600}, progress_callback=on_progress)
        assert scope.cancelled_caught, "the call ended by itself"
        after = before
        while after == before:
            after = await self.cancelled_calls()
        return f"the tool was cancelled {after - before} time"

    async def progress(self) -> str:
        seen = []

        async def on_progress(done: float, _total: float | None, _message: str | None) -> None:
            seen.append(done)

        await self.call("test_tool_with_progress", progress_callback=on_progress)
        assert seen == [0, 50, 100], seen
        return ",".join(f"{done:g}" for done in seen)

    async def elicitation(self) -> str:
        answer = text(await self.call("test_elicitation", {"message": "Who are you?"}))
        assert len(self.asked) == 1 and "Who are you?" in self.asked[0], self.asked
        assert "action=accept" in answer and "ada@example.com" in answer, answer
        return answer


async def run(arguments: argparse.Namespace) -> bool:
    steps = Steps()
    asked: list[str] = []

    async def answer(_context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
        asked.append(params.message)
        content = {"username": "ada", "email": "ada@example.com"}
        return types.ElicitResult(action="accept", content=content)

    token = arguments.token
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = httpx2.Timeout(STEP_TIMEOUT_S)
    auth = await application(arguments.url) if arguments.authorize else None
    async with httpx2.AsyncClient(headers=headers, timeout=timeout, auth=auth) as http:
        transport = streamable_http_client(arguments.url, http_client=http)
        client = Client(transport, mode=MODES[arguments.era], elicitation_callback=answer)
        try:
            await client.__aenter__()
        except Exception as error:  # no connection is a finding too

            async def fail(error: Exception = error) -> None:
                raise error

            await steps.take("connect", fail)
            return False
        try:

            async def connected() -> str:
                return client.protocol_version

            await steps.take("connect", connected)
            session = Session(client, arguments.prefix, asked)
            await steps.take("list", session.list)
            await steps.take("call", session.simple)
            if arguments.authorize:
                return not steps.failed
            await steps.take("error", session.error)
            await steps.take("cancel", session.cancel)
            await steps.take("progress", session.progress)
            await steps.take("elicitation", session.elicitation)
        finally:
            await client.__aexit__(None, None, None)
    return not steps.failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--token", default="")
    parser.add_argument("--prefix", default="")
    parser.add_argument("--authorize", action="store_true")
    parser.add_argument("--era", choices=MODES, default="auto")
    arguments = parser.parse_args()
    sys.exit(0 if anyio.run(run, arguments) else 1)


if __name__ == "__main__":
    main()
