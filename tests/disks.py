"""A small disk in memory that can be filled or made read-only."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="a disk of its own needs root")
READ_ONLY, FULL = "read-only", "full"


class Disk:
    """A small disk in memory."""

    def __init__(self, path: Path):
        self.path = path
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", path], check=True)

    def limit(self, kind: str, free: int = 0) -> None:
        """Leave so many bytes free, or make it read-only."""
        if kind == READ_ONLY:
            self._remount("ro")
        else:
            usage = shutil.disk_usage(self.path)
            with open(self.path / "ballast", "wb") as stream:
                stream.write(bytes(max(0, usage.free - free)))

    def release(self) -> None:
        self._remount("rw")
        (self.path / "ballast").unlink(missing_ok=True)

    def _remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", self.path], check=True)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and ".cache" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
