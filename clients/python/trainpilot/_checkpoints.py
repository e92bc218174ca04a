"""Checkpoints of one training in a folder: the last two, each whole or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

_KEPT = 2
_PREFIX = "step-"


class Checkpoints:
    """Those of the training `name` below `root`, which many trainings may share."""

    def __init__(self, root: Path, name: str) -> None:
        self._folder = root / name

    def steps(self) -> list[int]:
        """Env steps of which there is one, ascending."""
        names = [path.name for path in self._folder.glob(_PREFIX + "*")]
        return sorted(int(name[len(_PREFIX) :]) for name in names if name[len(_PREFIX) :].isdigit())

    def path(self, step: int) -> Path:
        """Folder of the one of env step `step`."""
        return self._folder / f"{_PREFIX}{step:08}"

    def save(self, step: int, write: Callable[[Path], object]) -> None:
        """Makes one of the files that `write` puts into the folder that it is given, and removes old ones."""
        partial = self._folder / f"{step:08}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir(parents=True)
            write(partial)
            for path in [*partial.rglob("*"), partial]:
                _sync(path)
            shutil.rmtree(self.path(step), ignore_errors=True)
            partial.rename(self.path(step))
            _sync(self._folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        for old in self.steps()[:-_KEPT]:
            shutil.rmtree(self.path(old), ignore_errors=True)

    def clear(self) -> None:
        """Removes all of them: the training has come to its end."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
