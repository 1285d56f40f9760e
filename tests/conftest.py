"""What holds for every test: no network, no cache of this machine, no window."""

import os
import socket
import tempfile
from typing import Any

import pytest

HERE = {"127.0.0.1", "::1", "localhost"}


def pytest_configure(config: pytest.Config) -> None:
    """Before anything is collected, because the libraries read these once, when they are imported."""
    cache = tempfile.TemporaryDirectory(prefix="counterfactory-tests-")
    config.add_cleanup(cache.cleanup)
    os.environ.update(
        HF_HUB_OFFLINE="1", HF_HOME=cache.name, MPLBACKEND="agg", TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1"
    )


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Any:
    """A test that reaches for another machine fails, and says so."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6} and address[0] not in HERE:
            raise AssertionError(f"a test tried to reach {address[0]}: tests run without a network")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield
