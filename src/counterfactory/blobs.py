"""Bytes by their digest, in one folder. Knows nothing of what they mean."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from counterfactory.errors import writing
from counterfactory.keys import digest


class Blobs:
    """Content-addressed files; a blob is whole or absent, also after a kill."""

    def __init__(self, folder: Path):
        self.folder = folder

    def put(self, data: bytes) -> str:
        """Keep some bytes; returns their digest."""
        name = digest(data)
        self.put_as(name, data)
        return name

    def put_as(self, name: str, data: bytes) -> None:
        """Keep bytes under the digest of what they were made from (a rendered scene)."""
        path = self.path(name)
        if path.exists():
            return
        with writing(self.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".part-{uuid.uuid4().hex}")
            try:
                with part.open("xb") as stream:
                    stream.write(data)
                os.replace(part, path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise

    def get(self, name: str) -> bytes:
        """The bytes under a digest; raises `KeyError` where there are none."""
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError:
            raise KeyError(name) from None

    def __contains__(self, name: str) -> bool:
        return self.path(name).exists()

    def __iter__(self) -> Iterator[str]:
        return (path.name for path in self.folder.glob("??/*") if path.name.startswith(path.parent.name))

    def halves(self) -> list[Path]:
        """What a kill left of blobs that never became whole."""
        return list(self.folder.glob("??/.part-*"))

    def path(self, name: str) -> Path:
        """Where a blob lies or would lie."""
        return self.folder / name[:2] / name
