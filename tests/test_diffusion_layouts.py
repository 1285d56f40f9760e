"""Layouts that drawings can follow: Canny's lines, HED's soft edges and depth, and the step that keeps the latter."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessorPil

from counterfactory.diffusion.canny import canny
from counterfactory.diffusion.controls import control_pictures
from counterfactory.diffusion.hed import EdgeNetwork, edges_of, open_edge_network
from counterfactory.diffusion.layout import Layout
from counterfactory.errors import BadConfig
from counterfactory.keys import digest
from counterfactory.pixels import Pixels
from counterfactory.run import Run
from counterfactory.testing import StepContract
from counterfactory.types import Address, Failed, Sample
from counterfactory.worker import Worker


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values.astype(np.uint8)[..., None], 3, -1)


def step(height: int, side: int = 16) -> np.ndarray:
    """Dark on the left, lighter by `height` on the right."""
    return grey(np.where(np.arange(side) < side // 2, 40, 40 + height) * np.ones((side, 1)))


def saved(pixels: np.ndarray, path: Path) -> Address:
    Image.fromarray(pixels).save(path)
    return Address(digest(path.read_bytes()), f"file:{path}")


def test_a_step_is_one_line_of_one_pixel():
    lines = canny(step(100))[..., 0] > 0
    assert lines.sum(1).tolist() == [1] * 16
    assert lines[:, 7].all()


def test_what_is_flat_or_faint_has_no_lines():
    assert canny(step(0)).max() == 0
    assert canny(step(20)).max() == 0


def test_a_faint_line_counts_where_it_touches_a_strong_one():
    faint = step(49)  # four times 49 lies between both thresholds, four times 51 above
    assert canny(faint).max() == 0
    faint[:4] = step(51)[:4]
    assert (canny(faint)[..., 0] > 0).sum() == 16


@pytest.mark.parametrize(
    "turned", [lambda x: x, lambda x: x.transpose(1, 0, 2), lambda x: x[:, ::-1], lambda x: 255 - x]
)
def test_lines_do_not_depend_on_how_the_picture_is_held(turned):
    x = np.add.outer(np.arange(16), np.arange(16))
    lines = canny(turned(grey(np.where(x < 16, 0, 200))))[..., 0] > 0
    assert 12 <= lines.sum() <= 32


def test_the_colour_that_changes_most_decides():
    blue = grey(np.full((16, 16), 90))
    blue[:, 8:, 2] = 250
    assert (canny(blue)[..., 0] > 0).sum() == 16


def test_canny_is_a_layout_of_the_built_in_kind(tmp_path: Path):
    picture = step(100, 32)
    (layout,) = control_pictures("canny", [saved(picture, tmp_path / "a.png")], Pixels(), (32, 32))
    assert torch.equal(layout, torch.tensor(canny(picture)).permute(2, 0, 1) / 255)


@pytest.fixture(scope="module")
def network() -> EdgeNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return EdgeNetwork().requires_grad_(False)


def test_hed_has_the_tensors_of_the_published_weights(network: EdgeNetwork):
    names = network.state_dict()
    assert len(names) == 1 + 2 * 13 + 2 * 5
    assert names["block3.convs.2.weight"].shape == (256, 256, 3, 3)
    assert names["block5.projection.weight"].shape == (1, 512, 1, 1)
    assert names["norm"].shape == (1, 3, 1, 1)
    assert sum(tensor.numel() for tensor in names.values()) == 14_716_168


def test_hed_says_how_sure_it_is_of_an_edge_in_the_picture_s_size(network: EdgeNetwork):
    edges = edges_of(network, step(100, 48)[:32])
    assert edges.shape == (32, 48)
    assert edges.dtype == np.uint8
    blind = EdgeNetwork()
    for parameter in blind.parameters():
        parameter.data.zero_()
    assert set(edges_of(blind, step(100)).flat) == {127}  # neither edge nor none


@pytest.fixture(scope="module")
def weights(network: EdgeNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hed") / "hed.safetensors"
    save_file(network.state_dict(), path)
    return path


def test_weights_are_read_from_a_file_or_its_folder(network: EdgeNetwork, weights: Path, tmp_path: Path):
    for name in (weights, weights.parent):
        opened = open_edge_network(str(name), Worker(workspace=tmp_path))
        assert torch.equal(opened.state_dict()["norm"], network.norm)


def test_a_pickle_of_tensors_is_converted_once(network: EdgeNetwork, tmp_path: Path):
    torch.save(network.state_dict(), tmp_path / "ControlNetHED.pth")
    worker = Worker(workspace=tmp_path / "runs")
    for _ in range(2):
        opened = open_edge_network(str(tmp_path), worker)
        assert torch.equal(opened.state_dict()["block1.convs.0.weight"], network.state_dict()["block1.convs.0.weight"])
    assert [path.suffix for path in (tmp_path / "runs").rglob("*") if path.is_file()] == [".safetensors"]


def test_a_pickle_of_more_than_tensors_is_refused_with_the_remedy(tmp_path: Path):
    torch.save({"norm": torch.zeros(1), "run": Path("/")}, tmp_path / "ControlNetHED.pth")
    with pytest.raises(BadConfig, match=r"holds more than tensors.*save_file\(state_dict"):
        open_edge_network(str(tmp_path / "ControlNetHED.pth"), Worker(workspace=tmp_path))


def test_weights_of_something_else_and_none_at_all_are_named(tmp_path: Path):
    with pytest.raises(BadConfig, match="holds no weights of HED"):
        open_edge_network(str(tmp_path), Worker(workspace=tmp_path))
    save_file({"norm": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(BadConfig, match="is no HED network: expected its 37 tensors"):
        open_edge_network(str(tmp_path), Worker(workspace=tmp_path))


@pytest.fixture(scope="module")
def depth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A depth model of random weights that wants pictures of 32 pixels."""
    folder = tmp_path_factory.mktemp("depth")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = DPTConfig(
            hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16, image_size=32,
            patch_size=8, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8,
            reassemble_factors=[4, 2, 1, 0.5], is_hybrid=False,
        )  # fmt: skip
        network = DPTForDepthEstimation(config)
        for parameter in network.neck.parameters():
            parameter.data *= 10  # fresh ones are so small that every distance is the same
        network.head.head[-2].bias.data.fill_(5.0)  # or nothing would be nearer than the end of the world
        network.save_pretrained(folder)
    DPTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


class TestContract(StepContract):
    @pytest.fixture(autouse=True)
    def _given(self, depth: Path, tmp_path: Path) -> None:
        self.depth, self.folder = depth, tmp_path

    def step(self) -> Layout:
        return Layout(kind="depth", model=str(self.depth), side=64)

    def items(self) -> list[Sample | Address]:
        random = np.random.default_rng(0)
        noise = [random.integers(0, 256, (10, 16, 3), np.uint8) for _ in range(3)]
        return [
            Sample(image=saved(pixels, self.folder / f"{n}.png")) if n else saved(pixels, self.folder / "0.png")
            for n, pixels in enumerate(noise)
        ]


def test_depth_goes_from_the_farthest_to_the_nearest_of_each_picture(depth: Path, tmp_path: Path):
    worker = Worker(workspace=tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    (address,) = Layout(kind="depth", model=str(depth), side=64).load(worker)([saved(noise, tmp_path / "a.png")])
    found = worker.pixels.mask(address)
    assert found.shape == (64, 128)
    assert (found.min(), found.max()) == (0, 255)


def test_a_layout_is_found_once_for_a_source_whoever_asks(weights: Path, tmp_path: Path):
    source = saved(step(100, 32), tmp_path / "a.png")
    step_ = Layout(kind="hed", model=str(weights), side=64)
    with Run(tmp_path / "run", Worker(workspace=tmp_path, processes=1)) as run:
        first, again = (run.map(step_, [source] * 5) for _ in range(2))
        assert run.made == 1
        assert list(first) == list(again)
        assert run.worker.pixels.stored(first[0]).size == (64, 64)


def test_an_image_that_is_too_small_says_so(weights: Path, tmp_path: Path):
    small = saved(step(100)[:3], tmp_path / "a.png")
    good = saved(step(100), tmp_path / "b.png")
    with Run(tmp_path / "run", Worker(workspace=tmp_path, processes=1)) as run:
        failed, found = run.map(Layout(kind="hed", model=str(weights), side=64), [small, good])
    assert isinstance(failed, Failed)
    assert "16 x 3 pixels are too few for the control 'hed'" in failed.reason
    assert isinstance(found, Address)
