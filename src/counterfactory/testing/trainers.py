"""What every trainer must keep: the same data and settings leave the same files, also when it was killed half way."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counterfactory.run import Run
from counterfactory.types import Artifact, Dataset
from counterfactory.worker import Worker


class TrainerContract:
    """Inherit, name it `Test...`, give `trainer` (a small one) and `datasets`."""

    def trainer(self) -> Any:
        raise NotImplementedError

    def datasets(self, folder: Path) -> Mapping[str, Dataset]:
        raise NotImplementedError

    def fitted(self, folder: Path, data: Mapping[str, Dataset]) -> Artifact:
        """The trainer's artifact, in a workspace of its own."""
        with Run(folder / "run", Worker(workspace=folder, processes=1)) as run:
            return run.fit(self.trainer(), **data)

    def weights(self, folder: Path, artifact: Artifact) -> dict[str, bytes]:
        """Every weights file of an artifact."""
        files = sorted(Worker(workspace=folder).artifact(artifact).rglob("*.safetensors"))
        return {file.name: file.read_bytes() for file in files if "checkpoint" not in file.name}

    def test_the_trainer_says_its_kind_and_version(self) -> None:
        assert isinstance(type(self.trainer()).kind, str)
        assert isinstance(type(self.trainer()).version, int)

    def test_equal_settings_leave_equal_weights(self, tmp_path: Path) -> None:
        data = self.datasets(tmp_path / "data")
        one, other = self.fitted(tmp_path / "a", data), self.fitted(tmp_path / "b", data)
        assert one.key == other.key
        assert self.weights(tmp_path / "a", one) == self.weights(tmp_path / "b", other) != {}

    def test_what_is_fitted_is_not_fitted_again(self, tmp_path: Path) -> None:
        data = self.datasets(tmp_path / "data")
        artifact = self.fitted(tmp_path, data)
        times = {p: p.stat().st_mtime_ns for p in Worker(workspace=tmp_path).artifact(artifact).rglob("*.safetensors")}
        assert self.fitted(tmp_path, data) == artifact
        assert times == {p: p.stat().st_mtime_ns for p in times}

    def test_the_numbers_are_plain(self, tmp_path: Path) -> None:
        json.dumps(dict(self.fitted(tmp_path, self.datasets(tmp_path / "data")).numbers), allow_nan=False)
