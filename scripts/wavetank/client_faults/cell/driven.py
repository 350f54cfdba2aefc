"""A subject as scenarios call it: what is asynchronous is awaited in a loop of its own, so that all look alike."""

import asyncio
import inspect
import threading
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future

Statement = tuple[str, Sequence[Any]]
Rows = list[tuple[Any, ...]]


class Driven:
    """A subject's functions, each of which returns when it has ended, however it is written."""

    def __init__(self, module: ModuleType) -> None:
        """Take the subject's module."""
        self.module = module
        self.is_async = inspect.iscoroutinefunction(module.read)
        self._loop = asyncio.new_event_loop()
        if self.is_async:
            threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def has(self, function: str) -> bool:
        """Return whether the subject has that function."""
        return hasattr(self.module, function)

    def __getattr__(self, function: str) -> Callable[..., Any]:
        """Return one of the subject's functions."""
        do = getattr(self.module, function)
        if not inspect.iscoroutinefunction(do):
            return do  # type: ignore[no-any-return]
        return lambda *args, **kwargs: self.begin(do, *args, **kwargs).result()

    def begin(self, do: Callable[..., Any], *args: Any, **kwargs: Any) -> "Future[Any]":  # noqa: ANN401
        """Begin one of its asynchronous functions, and return what can be waited for or cancelled."""
        return asyncio.run_coroutine_threadsafe(do(*args, **kwargs), self._loop)
