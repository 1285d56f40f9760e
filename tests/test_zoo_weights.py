"""What is in the package draws what is asked of it, opened by plain diffusers."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from counterfactory.names import model_folder
from counterfactory.zoo.judge import FACTORS, open_judge, read

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")


def test_plain_diffusers_draws_a_red_bus_on_grass_in_the_rain():
    pipeline = StableDiffusionPipeline.from_pretrained(model_folder("zoo:diorama"))
    pipeline.set_progress_bar_config(disable=True)
    asked = {"guidance_scale": 4.0, "num_inference_steps": 10, "generator": torch.Generator().manual_seed(0)}
    (image,) = pipeline("a red bus on grass in the rain", **asked).images
    x_BCHW = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1
    seen = read(open_judge(str(model_folder("zoo:diorama/judge")), "cpu"), x_BCHW)
    shown = {factor: seen.said(factor)[0] for factor in FACTORS if factor != "time"}
    assert shown == {"class": "bus", "colour": "red", "surface": "grass", "weather": "rain"}
