"""Keep which copy of the province's files is active in this process, and the values that were computed from it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lgsp.config import folder
from lgsp.config.copies import SHIPPED, Config, Copies
from lgsp.errors import SettingError
from lgsp.settings import Settings

if TYPE_CHECKING:
    from functools import _lru_cache_wrapper

T = TypeVar("T")

_active = SHIPPED
_caches: list[_lru_cache_wrapper[object]] = []


def cached(most: int | None = None) -> Callable[[Callable[..., T]], _lru_cache_wrapper[T]]:
    """A decorator for a function whose result depends on the province's files: it is computed once for each copy of them.

    `most` limits the number of results that are kept, as in functools.lru_cache.
    """

    def decorate(function: Callable[..., T]) -> _lru_cache_wrapper[T]:
        remembered = functools.lru_cache(maxsize=most)(function)
        _caches.append(remembered)
        return remembered

    return decorate


def caches() -> list[str]:
    """The full names of the functions that `cached` decorates, of the modules that are loaded."""
    return sorted(f"{cache.__module__}.{cache.__qualname__}" for cache in _caches)


def active() -> Config:
    """The copy that this process uses; SHIPPED when it uses the files of the program only."""
    return _active


def use(config: Config) -> Config:
    """Make a checked copy the active one of this process; computed values of another one are forgotten."""
    global _active
    if config != _active:
        _active = config
        for cache in _caches:
            cache.cache_clear()
    return config


def activate(settings: Settings) -> Config:
    """Use the province's folder as it is now, by a copy that has no mistakes; else the newest copy that had none.

    Raises ConfigInvalid, with all mistakes, when the folder was never good.
    """
    contents = folder.read(settings)
    if contents.is_empty:
        return use(SHIPPED)
    if contents.hash == _active.hash and _active.folder == Copies(settings.home).path(contents.hash):
        return _active
    # The checks call the loaders of all stages, which import this package: they are imported only for a folder that is new
    # to this process.
    return use(import_module("lgsp.configure").accept(settings, contents))


def file(name: str) -> Path | None:
    """The active copy of a file or folder in LGSP_CONFIG, such as `codelists/dossier_status.yml`; None when there is none.

    Raises SettingError when the copy was deleted from LGSP_HOME.
    """
    if _active.folder is None:
        return None
    path = _active.folder / name
    if path.exists():
        return path
    if not _active.folder.is_dir():
        raise SettingError(f"{_active.folder} was deleted: run the command again, it makes the copy again")
    return None
