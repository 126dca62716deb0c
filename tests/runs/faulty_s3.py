"""An S3 server on this machine that fails as real ones do: moto's, with faults put before it."""

import logging
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import boto3
from botocore.config import Config
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}

_ERROR = "<Error><Code>{}</Code><Message>{}</Message></Error>"


@dataclass
class FaultyS3:
    """A server with one bucket.

    Attributes:
        url: For AWS_ENDPOINT_URL.
        faults: Share of requests that fail, by kind: `slow_down`, `internal`, `reset`, `cut`, `hang`.
        seed: Which requests those are; it depends on nothing else but the request and how often it was made.
        refuse: Answers `AccessDenied` to requests for which it is true.
        watch: Called before every request.
        requests: How many there were of each kind, like `GET object`, `PUT object`, `HEAD object`, `LIST`.
        failed: How many failed, by kind of fault.
    """

    url: str = ""
    bucket: str = "data-0"
    faults: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    refuse: Callable[[str, str], bool] = lambda method, path: False
    watch: Callable[[str, str], None] = lambda method, path: None
    requests: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    down: bool = False
    _seen: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: threading.Event = field(default_factory=threading.Event)

    def client(self) -> Any:
        """Of boto3, for tests that look into the bucket; it meets no faults."""
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        return boto3.client("s3", endpoint_url=self.url, config=Config(user_agent_extra="looks-on"), **keys)

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        client, found = self.client(), {}
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            for each in page.get("Contents", []):
                body = client.get_object(Bucket=self.bucket, Key=each["Key"])["Body"].read()
                found[each["Key"].removeprefix(prefix)] = body
        return found

    def renew(self) -> None:
        """A new bucket, and no faults any more."""
        self.bucket = f"data-{int(self.bucket.rpartition('-')[2]) + 1}"
        self.client().create_bucket(Bucket=self.bucket)
        self.faults, self.down, self.seed = {}, False, 0
        self.refuse = lambda method, path: False
        self.watch = lambda method, path: None
        for counter in (self.requests, self.failed, self._seen):
            counter.clear()

    def put(self, key: str, data: bytes) -> str:
        self.client().put_object(Bucket=self.bucket, Key=key, Body=data)
        return f"s3://{self.bucket}/{key}"

    def kind(self, environ: WSGIEnvironment) -> str:
        method, query = environ["REQUEST_METHOD"], environ.get("QUERY_STRING", "")
        if "list-type" in query:
            return "LIST"
        if "uploads" in query or "uploadId" in query:
            return f"{method} multipart"
        return f"{method} {'object' if environ['PATH_INFO'].strip('/').count('/') else 'bucket'}"

    def fault(self, environ: WSGIEnvironment) -> str | None:
        path = environ["PATH_INFO"].removeprefix(f"/{self.bucket}")
        request = f"{environ['REQUEST_METHOD']} {path}?{environ.get('QUERY_STRING', '')}"
        request += environ.get("HTTP_RANGE", "")
        with self._lock:
            self.requests[self.kind(environ)] += 1
            self._seen[request] += 1
            times = self._seen[request]
        chance = random.Random(f"{self.seed} {request} {times}").random()
        for kind, share in self.faults.items():
            if chance < share:
                with self._lock:
                    self.failed[kind] += 1
                return kind
            chance -= share
        return None


class _Faults:
    """WSGI middleware."""

    def __init__(self, app: WSGIApplication, server: FaultyS3) -> None:
        self._app = app
        self._server = server

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        server = self._server
        if "looks-on" in environ.get("HTTP_USER_AGENT", ""):
            return self._app(environ, start)
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        server.watch(method, path)
        fault = "slow_down" if server.down else server.fault(environ)
        if fault:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if fault == "slow_down":
            return _refused(method, start, "503 Slow Down", "SlowDown", "Please reduce your request rate.")
        if fault == "internal":
            return _refused(
                method, start, "500 Internal Server Error", "InternalError", "We encountered an internal error."
            )
        if fault == "reset":
            _reset(environ["werkzeug.socket"])
        if fault == "hang":
            server._closed.wait(600)
            _reset(environ["werkzeug.socket"])
        if server.refuse(method, path):
            return _refused(method, start, "403 Forbidden", "AccessDenied", "Access Denied")
        answer = self._app(environ, start)
        if fault == "cut" and method == "GET":
            return _cut(b"".join(answer), environ["werkzeug.socket"])
        return answer


def _refused(method: str, start: StartResponse, status: str, code: str, message: str) -> list[bytes]:
    body = b"" if method == "HEAD" else _ERROR.format(code, message).encode()
    start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


def _reset(connection: socket.socket) -> NoReturn:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise ConnectionResetError


def _cut(body: bytes, connection: socket.socket) -> Iterator[bytes]:
    yield body[: len(body) // 2]
    _reset(connection)


@contextmanager
def faulty_s3() -> Iterator[FaultyS3]:
    """A server on this machine; its threads end with the process at the latest."""
    for name in ("werkzeug", "botocore", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    faulty = FaultyS3()
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, _Faults(app, faulty), threaded=True)
    server.daemon_threads = True
    faulty.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield faulty
    finally:
        faulty._closed.set()
        server.shutdown()
        thread.join(5)
        server.server_close()
