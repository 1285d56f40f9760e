"""Makes a drawing of matplotlib part of a page: no style attributes, no foreign names, the page's own colours."""

import re
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree

Element = ElementTree.Element
DROPPED = {"metadata", "style"}
FONT = re.compile(r"(?:(?P<weight>\d{3}|bold)\s+)?(?P<size>[\d.]+)px")


def inline(drawing: str, prefix: str, colours: Mapping[str, str], title: str, description: str) -> str:
    """The drawing as an `<svg>` element whose ids begin with `prefix`.

    A page that allows no inline style blocks style attributes, so each becomes attributes of its own.
    """
    root = ElementTree.fromstring(drawing)  # noqa: S314 - we drew it ourselves a moment ago
    for element in _kept(root):
        _set_attributes(element, prefix, colours)
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img"}
    root.set("aria-labelledby", f"{prefix}title {prefix}desc")
    for name, words in (("desc", description), ("title", title)):
        spoken = Element(name, {"id": prefix + name})
        spoken.text = words
        root.insert(0, spoken)
    return ElementTree.tostring(root, encoding="unicode")


def _kept(parent: Element) -> Iterator[Element]:
    """Every element that the page needs, under its plain name."""
    parent.tag = _plain(parent.tag)
    yield parent
    for child in list(parent):
        child.tail = None
        if _plain(child.tag) in DROPPED:
            parent.remove(child)
        else:
            yield from _kept(child)
    if len(parent):
        parent.text = None


def _set_attributes(element: Element, prefix: str, colours: Mapping[str, str]) -> None:
    said = {_plain(name): value for name, value in element.attrib.items()}
    style = said.pop("style", "")
    for declaration in filter(None, (part.strip() for part in style.split(";"))):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        said.update(_font(value) if name == "font" else {name: value})
    if element.tag == "g":
        said.pop("id", None)  # nothing refers to a group
    element.attrib = {name: _value(name, value, prefix, colours) for name, value in said.items()}


def _font(shorthand: str) -> dict[str, str]:
    """Size and weight; the family is the page's."""
    match = FONT.match(shorthand)
    assert match, shorthand
    weight = {"font-weight": match["weight"]} if match["weight"] else {}
    return {"font-size": match["size"], **weight}


def _value(name: str, value: str, prefix: str, colours: Mapping[str, str]) -> str:
    if name == "id":
        return prefix + value
    if name == "href" and value.startswith("#"):
        return f"#{prefix}{value[1:]}"
    if value.startswith("url(#"):
        return f"url(#{prefix}{value[5:]}"
    return colours.get(value, value)


def _plain(name: str) -> str:
    return name.rpartition("}")[2]
