"""The autoencoder: how much of a true picture comes back."""

from counterfactory.types import Table
from counterfactory.zoo.check.subject import Section, Subject, Wanted

PART = 4


def measure(subject: Subject) -> Section | str:
    """Sends true renders through the latents and back."""
    from counterfactory.diffusion.latents import decode, encode, load_autoencoder
    from counterfactory.training.pictures import to_tensor

    folder = subject.folder / "vae"
    if not folder.is_dir():
        return "The pipeline has no autoencoder (vae): not measured."
    worker = subject.run.worker
    network = load_autoencoder(str(folder), worker.device)
    samples = subject.some(PART)
    x_BCHW = to_tensor(worker.pixels.arrays([sample.image for sample in samples], (64, 64))).to(worker.device)
    error = ((decode(network, encode(network, x_BCHW)) - x_BCHW) / 2).square().mean((1, 2, 3))
    ratios = (-10 * error.clamp(min=1e-10).log10()).cpu()
    numbers = {"psnr": round(float(ratios.mean()), 2), "lowest": round(float(ratios.min()), 2)}
    return Section(
        name="autoencoder",
        numbers=numbers,
        wanted=(Wanted(what="autoencoder PSNR", value=numbers["psnr"], two_cores=27, accelerator=30, unit="dB"),),
        tables=(
            Table(
                title="Through the latents and back",
                columns=("pictures", "mean PSNR", "lowest"),
                rows=((len(samples), numbers["psnr"], numbers["lowest"]),),
                note="In dB.",
            ),
        ),
    )
