"""FID's Inception: its published size, its names, and the places where it differs from other libraries' networks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from counterfactory.errors import BadConfig
from counterfactory.score.inception import POOLS, Inception, enlarged
from counterfactory.score.vision import open_eyes


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that have learnt nothing, with the names of those that have."""
    return saved(tmp_path_factory.mktemp("inception"), {"fc.weight": torch.zeros(1008, 2048)})


def saved(folder: Path, more: dict[str, torch.Tensor]) -> Path:
    torch.manual_seed(0)
    own = {name: one for name, one in Inception().state_dict().items() if "num_batches" not in name}
    folder.mkdir(exist_ok=True)
    save_file({**own, **more}, folder / "model.safetensors")
    return folder


def picture(side: int = 20) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8))


def test_it_has_the_published_number_of_weights_and_ends_in_2048_maps_of_8():
    with torch.device("meta"):
        network = Inception()
        seen = network(torch.zeros(1, 3, 299, 299))
    assert sum(one.numel() for one in network.parameters()) == 21_785_568  # of all but the last layer
    assert (seen.last_hidden_state.shape, seen.pooler_output.shape) == ((1, 2048, 8, 8), (1, 2048))
    widths = [maps.shape[1] for maps in seen.hidden_states]
    assert widths == [3, 192, 256, 288, 288, 768, 768, 768, 768, 768, 1280, 2048, 2048]


def test_a_mean_at_the_edge_is_of_pixels_alone():
    assert torch.equal(POOLS["mean"](torch.ones(1, 1, 3, 3)), torch.ones(1, 1, 3, 3))


def test_pictures_of_any_size_are_looked_at_in_one():
    seen = enlarged([Image.new("RGB", (5, 9), (255, 0, 127)), picture(400)]).pixel_values
    assert seen.shape == (2, 3, 299, 299)
    assert torch.allclose(seen[0].mean((1, 2)), torch.tensor([1.0, -1.0, 2 * 127 / 255 - 1]))


def test_given_weights_are_eyes_as_any_other(weights: Path):
    eyes = open_eyes(weights, "cpu")
    assert eyes.features([picture(), picture(31)]).shape == (2, 2048)
    assert float(eyes.perceived([picture()]).square().sum()) == pytest.approx(1, abs=1e-3)


def test_another_librarys_inception_and_half_of_one_are_refused(tmp_path: Path):
    other = saved(tmp_path / "other", {"fc.weight": torch.zeros(1000, 2048)})
    with pytest.raises(BadConfig, match="1008 classes"):
        open_eyes(other, "cpu")
    half = tmp_path / "half"
    half.mkdir()
    save_file({"fc.weight": torch.zeros(1008, 2048)}, half / "model.safetensors")
    with pytest.raises(BadConfig, match=r"Conv2d_1a_3x3\.conv\.weight is not as it should be"):
        open_eyes(half, "cpu")
    (half / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(BadConfig, match="is not read"):
        open_eyes(half, "cpu")
