"""File systems of fsspec, all opened here: how long they may be silent, and what their errors say."""

import contextlib
import errno
import functools
import inspect
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import fsspec

from prox.errors import UsageError

_S3_TIMES = {"connect_timeout": 10, "read_timeout": 15}
_S3_ATTEMPTS = {"retries": {"mode": "standard", "total_max_attempts": 3}}
"""s3fs repeats five times what botocore gave up: a request that is never answered ends after four minutes, before the
worker that waits for it is taken for one that hangs (`Recipe.time_limit`)."""

_WITH_LISTINGS = ("s3", "s3a", "gs", "gcs")
"""These keep listings, each process and thread its own: what others have written since would not be there."""

_NOT_OF_STORAGE = (TypeError, AttributeError, NotImplementedError, ValueError)

_ANSWER_SECONDS = 80.0
"""For a request and what its client repeats: some wait for ever where a connection is lost in the wrong moment."""

_ASKED = 3
"""Times that a request without any answer is made."""

_MAY_TAKE_LONG = ("open", "put_file")
"""Of the worker alone, which is watched by its supervisor; a part may be large."""

DENIED = "check the credentials and what they allow (docs/object-stores.md)"


def open_file_system(given: str) -> tuple[Any, str]:
    """The fsspec file system of a path or URL, and the path in it. What its methods raise are `OSError`s.

    Raises:
        UsageError: The path is empty, or its protocol is unknown or needs a package that is not installed.
    """
    if not given.strip():
        raise UsageError("a path is empty. Name a file, a folder or a glob.")
    if "::" in given and "://" in given:
        raise UsageError(f"{given} is a chain of URLs; prox reads plain ones. Unpack the archive, or drop the cache.")
    protocol = given.partition("://")[0]
    try:
        fs, path = fsspec.core.url_to_fs(given, **_options(protocol))
    except ImportError as error:
        extra = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}.get(protocol)
        advice = f" Install it with: pip install 'prox-refine[{extra}]'" if extra else ""
        raise UsageError(f"{given} needs a package that is not installed: {error}.{advice}") from error
    except ValueError as error:
        raise UsageError(f"{given} cannot be opened: {error}") from error
    return (fs if is_local(fs) or is_in_memory(fs) else _Remote(fs)), path


def _options(protocol: str) -> dict[str, Any]:
    """What a file system is opened with, unless the user's configuration of fsspec or AWS says otherwise."""
    if protocol not in _WITH_LISTINGS:
        return {}
    configured = {name: value for key in _WITH_LISTINGS for name, value in fsspec.config.conf.get(key, {}).items()}
    options: dict[str, Any] = {} if "use_listings_cache" in configured else {"use_listings_cache": False}
    if protocol.startswith("s3"):
        attempts = {} if {"AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"} & os.environ.keys() else _S3_ATTEMPTS
        options["config_kwargs"] = _S3_TIMES | attempts | configured.get("config_kwargs", {})
        if not {"session", "profile"} & configured.keys():
            options["session"] = _s3_session()
    return options


@functools.cache
def _s3_session() -> Any:
    """A session whose puts do not ask whether they may send their body (`Expect: 100-continue`).

    The HTTP client beneath (aiohttp) counts no time for a small put that has asked, so that a store which falls silent
    then is waited for without end.
    """
    from aiobotocore.session import AioSession
    from botocore.handlers import add_expect_header

    session = AioSession()
    session.unregister("before-call.s3", add_expect_header)
    return session


class _Remote:
    """A file system whose methods raise nothing but `OSError`s: storage libraries have kinds of their own."""

    def __init__(self, fs: Any) -> None:
        self._fs = fs

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Remote) and bool(self._fs == other._fs)

    def __hash__(self) -> int:
        return hash(self._fs)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._fs, name)
        if not callable(value):
            return value

        @functools.wraps(value)
        def told(*args: Any, **kwargs: Any) -> Any:
            try:
                if name in _MAY_TAKE_LONG:
                    return value(*args, **kwargs)
                return self._answer(name, functools.partial(value, *args, **kwargs))
            except _NOT_OF_STORAGE:
                raise
            except Exception as error:
                raise _as_os_error(error) from error

        return told

    def _answer(self, name: str, call: Callable[..., Any]) -> Any:
        """What a call gives, if it gives it in time; otherwise it is made again."""
        within = _cancelled_after if _is_cancellable(self._fs, name) else _left_alone_after
        for _ in range(_ASKED):
            with contextlib.suppress(_NoAnswerError):
                return within(_ANSWER_SECONDS, call)
        raise TimeoutError(f"no answer, asked {_ASKED} times for {_ANSWER_SECONDS:g} seconds")


class _NoAnswerError(Exception):
    pass


def _is_cancellable(fs: Any, name: str) -> bool:
    """Whether a method is one of fsspec's that run a coroutine."""
    return bool(getattr(fs, "async_impl", False)) and inspect.iscoroutinefunction(getattr(fs, f"_{name}", None))


def _cancelled_after(seconds: float, call: Callable[..., Any]) -> Any:
    """What is given up must end: a put that its client repeats later would bring back what has been replaced since."""
    try:
        return call(timeout=seconds)
    except fsspec.exceptions.FSTimeoutError:
        raise _NoAnswerError from None


def _left_alone_after(seconds: float, call: Callable[..., Any]) -> Any:
    answer: Future[Any] = Future()

    def ask() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=ask, name="prox-storage", daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        if answer.done():
            raise  # it is the storage's own
        raise _NoAnswerError from None


def _as_os_error(error: Exception) -> OSError:
    """The same error, of a kind that is known here, saying what a person can do about it."""
    if isinstance(error, FileExistsError | NotADirectoryError | IsADirectoryError):
        return error
    text = " ".join(str(error.strerror or error if isinstance(error, OSError) else error).split())
    text = text.rstrip(".") or type(error).__name__
    if isinstance(error, FileNotFoundError):
        return _told(FileNotFoundError(f"{text}: make it, or correct its name")) if "bucket" in text else error
    if isinstance(error, PermissionError) or type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
        return _told(PermissionError(f"{text}: {DENIED}"), errno.EACCES)
    return _told(OSError(text), error.errno if isinstance(error, OSError) else None)


def _told(error: OSError, code: int | None = None) -> OSError:
    error.errno = code  # given later, it does not stand in the text
    return error


def is_local(fs: Any) -> bool:
    """Whether a file system is that of this machine."""
    return _has_protocol(fs, "file")


def is_in_memory(fs: Any) -> bool:
    """Whether a file system lives and dies with this process."""
    return _has_protocol(fs, "memory")


def _has_protocol(fs: Any, name: str) -> bool:
    return name in (fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,))
