"""Packs trained models as the zoo that ships: `python -m counterfactory.zoo.pack`. No training state goes along."""

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from counterfactory.errors import BadData, writing
from counterfactory.shipped import CARD, CHECKSUMS, WEIGHTS, file_digest
from counterfactory.zoo.cards import PARTS, Part, card
from counterfactory.zoo.order import NUMBERS

MIB = 2**20
LARGEST, WHOLE = 16 * MIB, 48 * MIB
LOADABLE = {".json", ".safetensors", ".txt"}
STATE = {"training", "frozen"}  # folders of a training that no loading needs
DIORAMA = WEIGHTS / "diorama"


def main(arguments: list[str] | None = None) -> None:
    """Copies what can be loaded of every finished model, writes cards and checksums, and says what is missing."""
    parser = argparse.ArgumentParser(prog="python -m counterfactory.zoo.pack", description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".checkpoints/zoo"), help="where the models were trained")
    parser.add_argument("--out", type=Path, default=DIORAMA, help="where they go; its name is the world's")
    said = parser.parse_args(arguments)
    for sentence in pack(said.folder, said.out):
        print(sentence)


def pack(folder: Path, out: Path) -> list[str]:
    """Puts finished models in their places, all or none; one that is not finished leaves its place as it was."""
    part = out.with_name(f".{out.name}.part")
    with writing(out.parent):
        shutil.rmtree(part, ignore_errors=True)  # of a killed call
        shutil.copytree(out, part) if out.exists() else part.mkdir(parents=True)
        try:
            sentences = [_packed(folder, part, out.name, each) for each in PARTS]
            _write_checksums(part)
            sentences.append(_size(part))
        except BaseException:
            shutil.rmtree(part)
            raise
        _replace(out, part)
    return sentences


def _packed(folder: Path, out: Path, world: str, part: Part) -> str:
    """A model in its place, with its card."""
    source, place = folder / part.source, out / part.place
    trained = folder / part.model / NUMBERS
    if not trained.is_file() or not source.is_dir():
        missing = folder / part.model if source.is_dir() or part.source == part.model else source
        left = (
            "what was packed before stays"
            if any(path.suffix in LOADABLE for path in place.glob("*"))
            else "it is left out"
        )
        return f"{part.model}: no finished training in {missing}; {left}."
    files = list(_loadable(source))
    _clear(place, files)
    for file in files:
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / file, place / file)
    (place / CARD).write_text(card(part, world, json.loads(trained.read_text(encoding="utf-8"))), encoding="utf-8")
    return f"{part.model}: {sum((source / file).stat().st_size for file in files) / MIB:.2f} MiB in {len(files)} files."


def _loadable(source: Path) -> Iterator[Path]:
    """The files that a model is loaded from, from its folder."""
    for path in sorted(source.rglob("*")):
        file = path.relative_to(source)
        is_state = STATE & set(file.parts) or any(name.startswith(".") for name in file.parts)
        if path.is_file() and path.suffix in LOADABLE and path.name != NUMBERS and not is_state:
            yield file


def _clear(place: Path, files: list[Path]) -> None:
    """Takes away what an earlier packing left where these files go, and leaves what belongs to other models."""
    for folder in {file.parts[0] for file in files if len(file.parts) > 1}:
        shutil.rmtree(place / folder, ignore_errors=True)
    if place.is_dir():
        for path in place.iterdir():
            if path.is_file():
                path.unlink()


def _write_checksums(out: Path) -> None:
    (out / CHECKSUMS).unlink(missing_ok=True)
    files = sorted(path for path in out.rglob("*") if path.is_file())
    said = {
        path.relative_to(out).as_posix(): {"size": path.stat().st_size, "digest": file_digest(path).hex()}
        for path in files
    }
    (out / CHECKSUMS).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def _size(out: Path) -> str:
    """What all files take together; more than a repository and a wheel should carry is refused."""
    sizes = {path.relative_to(out): path.stat().st_size for path in out.rglob("*") if path.is_file()}
    whole = sum(sizes.values())
    large = [f"{path} ({size / MIB:.1f} MiB)" for path, size in sizes.items() if size > LARGEST]
    if large:
        raise BadData(f"Too large to ship: {', '.join(large)}; a file may have {LARGEST // MIB} MiB. Train it smaller.")
    if whole > WHOLE:
        largest = max(sizes, key=sizes.__getitem__)
        raise BadData(
            f"The models take {whole / MIB:.1f} MiB together and may take {WHOLE // MIB}; "
            f"the largest is {largest} ({sizes[largest] / MIB:.1f} MiB). Train some smaller."
        )
    return f"Together: {whole / MIB:.1f} MiB of {WHOLE // MIB} in {len(sizes)} files."


def _replace(out: Path, part: Path) -> None:
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.replace(old)
    part.replace(out)
    shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    main()
