"""What the files of a pipeline and its companions take."""

from counterfactory.types import Table
from counterfactory.zoo.check.subject import Section, Subject

MIB = 2**20


def measure(subject: Subject) -> Section:
    """Adds up the folder, part by part."""
    sizes: dict[str, int] = {}
    for path in sorted(subject.folder.rglob("*")):
        if path.is_file():
            file = path.relative_to(subject.folder)
            part = file.parts[0] if len(file.parts) > 1 else "settings"
            sizes[part] = sizes.get(part, 0) + path.stat().st_size
    numbers = {part: round(size / MIB, 3) for part, size in sizes.items()}
    whole = round(sum(sizes.values()) / MIB, 2)
    return Section(
        name="sizes",
        numbers={**numbers, "all": whole},
        words=(f"All files together: {whole:.1f} MiB.",),
        tables=(Table(title="Sizes", columns=("part", "MiB"), rows=tuple(numbers.items())),),
    )
