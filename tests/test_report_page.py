"""The page of a run: one file that is whole, safe, the same each time, and never fails for one bad picture."""

import base64
import dataclasses
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from PIL import Image

from counterfactory.blobs import Blobs
from counterfactory.errors import DiskTrouble
from counterfactory.pixels import Pixels, encode_png
from counterfactory.report.gallery import CAP
from counterfactory.report.page import render, write
from counterfactory.types import (
    Address,
    Gallery,
    Interval,
    Origin,
    Picture,
    Plot,
    Report,
    Sample,
    Series,
    Table,
)

VOID = {"meta", "link", "img", "input", "br", "hr"}
EVIL = "<script>alert(1)</script>\"'&\u2028</style>"
FACTS = {
    "run": "baseline-1",
    "recipe": "baseline",
    "data": "diorama:",
    "command": "counterfactory augment diorama:",
    "version": "0.1.0",
    "date": "2025-01-02",
    "seconds": 75,
    "config": "shots: 4\nseeds: [0, 1]\n",
    "failed": 1,
    "failures": [{"key": "ab12", "step": "Draw", "item": "a red cat", "reason": "The image is blank."}],
}


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, scripts and styles; notes what does not balance."""

    def __init__(self, page):
        super().__init__()
        self.open, self.elements, self.texts, self.wrong = [], [], {}, []
        self.feed(page)
        self.wrong += self.open

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        self.wrong += [f"{tag} says {name} twice" for name in names if names.count(name) > 1]
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def pictures(self):
        return json.loads(next(text for text in self.texts["script"] if text.startswith("{")))


@pytest.fixture
def pixels(tmp_path):
    return Pixels(Blobs(tmp_path / "blobs"))


def drawn(pixels, number, size=64):
    image = Image.linear_gradient("L").resize((size, size)).convert("RGB")
    image.paste((number % 256, number // 256 % 256, 90), (5, 5, 25, 25))
    return Address(pixels.blobs.put(encode_png(image)))


def picture(pixels, number, **given):
    origin = Origin(prompt=f"a photo, {number}", seed=number, model="zoo/small", changed={"weather": "snow"})
    sample = Sample(image=drawn(pixels, number), target=0, caption="a caption", origin=origin)
    known = {
        "label": "cat",
        "source": drawn(pixels, 0),
        "scores": {"confidence": number / 10},
        "facts": {"strength": 0.5},
    }
    return Picture(sample=sample, **(known | given))


def report(pixels, name="usual", **given):
    interval = Interval(mean=55.2, low=52.1, high=58.3, n=5)
    rows = (("none", interval, 12), ("standard", Interval(mean=60.0), 13))
    known = {
        "title": f"Report on {name}",
        "summary": (f"{name} is best.",),
        "numbers": {name: interval, "images": 5000, "best": name},
        "tables": (Table(title=f"Accuracy, {name}", columns=("method", name, "epochs"), rows=rows, note=name),),
        "galleries": (
            Gallery(title=name, pictures=tuple(picture(pixels, n, label=name) for n in range(3)), note=name),
        ),
    }
    return Report(**(known | given))


def with_plots(pixels, name="usual"):
    bars = Plot(title=name, kind="bars", series=(Series(name=name, x=(name, "b"), y=(1.0, 2.0)),), x=name, y=name)
    plots = (bars, dataclasses.replace(bars, kind="lines"), dataclasses.replace(bars, kind="matrix"))
    return report(pixels, name, plots=plots)


def test_the_page_is_balanced_and_its_ids_are_its_own(pixels):
    page = Page(render(with_plots(pixels), pixels, FACTS))
    assert page.wrong == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    linked = {attributes["href"][1:] for attributes in page.all("a")}
    labelled = {name for _, a in page.elements for name in a.get("aria-labelledby", "").split()}
    assert linked | labelled <= set(ids)


def test_an_empty_report_and_a_run_without_facts_are_a_page_too(pixels):
    page = render(Report(title="Nothing"), pixels, {})
    assert Page(page).wrong == []
    assert "Nothing" in page


def test_the_page_needs_nothing_from_elsewhere(pixels):
    page = render(with_plots(pixels), pixels, FACTS)
    assert not re.search(r"https?:|url\((?!#)|@import|//\w+\.\w", page)
    for tag, attributes in Page(page).elements:
        assert all(attributes[name].startswith(("data:", "#")) for name in ("src", "href") if name in attributes), tag


def test_the_policy_allows_this_style_and_this_script_and_no_other(pixels):
    page = Page(render(with_plots(pixels), pixels, FACTS))
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    (style,) = page.texts["style"]
    script = page.texts["script"][-1]
    for name, source in (("style-src", style), ("script-src", script)):
        said = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{name} 'sha256-{said}'" in policy
    assert not any("style" in a or any(name.startswith("on") for name in a) for _, a in page.elements)


def test_the_same_report_gives_the_same_bytes(pixels):
    assert render(with_plots(pixels), pixels, FACTS) == render(with_plots(pixels), pixels, FACTS)


def test_names_that_look_like_code_stay_names(pixels):
    facts = FACTS | {
        "command": EVIL,
        "config": EVIL,
        "failures": [dict.fromkeys(("key", "step", "reason"), EVIL)],
        EVIL: EVIL,
    }
    text = render(with_plots(pixels, EVIL), pixels, facts)
    page = Page(text)
    assert page.wrong == []
    assert len(page.all("script")) == 2
    assert "alert(1)</script>" not in text
    assert page.pictures()["galleries"][0][0]["label"] == EVIL
    assert {"value": EVIL} in page.all("option")


def test_prompts_with_quotes_arrive_as_they_were(pixels):
    prompt = """a "red" cat's <b>hat</b> & more \\ \n</script><!--"""
    sample = Sample(image=drawn(pixels, 1), origin=Origin(prompt=prompt))
    pictures = (Picture(sample=sample, label="cat", scores={'the "score"': 0.5}),)
    shown = report(pixels, galleries=(Gallery(title="g", pictures=pictures),))
    page = Page(render(shown, pixels, {}))
    assert page.wrong == []
    described = page.pictures()["galleries"][0][0]
    assert described["words"] == prompt
    assert described["groups"][0] == ["In words", [["prompt", prompt]]]


def test_file_names_that_are_no_text_are_written(pixels, tmp_path):
    name = os.fsdecode(b"caf\xe9")
    path = write(report(pixels, name), tmp_path / "page.html", pixels, {"data": name})
    assert "caf?" in path.read_text("utf-8")


def test_the_lineage_of_a_picture_is_whole(pixels):
    origin = Origin(parent="00aa", prompt="a cat", seed=7, model="zoo/small@1", changed={"weather": "snow"})
    sample = Sample(image=drawn(pixels, 1), caption="cap", attributes={"colour": "red"}, origin=origin)
    shown = Picture(sample=sample, label="cat", source=drawn(pixels, 2), scores={"p": 0.25}, facts={"strength": 0.5})
    text = render(report(pixels, galleries=(Gallery(title="g", pictures=(shown,)),)), pixels, {})
    described = Page(text).pictures()["galleries"][0][0]
    groups = {title: dict(rows) for title, rows in described["groups"]}
    assert described["scores"] == [["p", 0.25, "0.250"]]
    assert groups["In words"] == {"prompt": "a cat", "caption": "cap"}
    assert groups["What changed"] == {"weather": "snow"}
    assert groups["Attributes"] == {"colour": "red"}
    assert groups["Facts"] == {"strength": "0.500"}
    assert groups["Lineage"]["seed"] == "7"
    assert groups["Lineage"]["parent"] == "00aa"
    assert groups["Lineage"]["digest"] == sample.image.digest
    assert groups["Lineage"]["source"] == shown.source.digest


def test_a_picture_that_cannot_be_read_is_a_placeholder_with_the_reason(pixels, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    bad = [Address("01", f"file:{broken}"), Address("02", "file:/nowhere.png"), Address("03"), Address("04", "moon:1")]
    pictures = tuple(Picture(sample=Sample(image=address), label="cat") for address in bad)
    page = Page(render(report(pixels, galleries=(Gallery(title="g", pictures=pictures),)), pixels, {}))
    images = page.pictures()["images"]
    assert "cannot be decoded" in images["01"]["missing"]
    assert "nowhere.png" in images["02"]["missing"]
    assert "not in this workspace" in images["03"]["missing"]
    assert "'moon'" in images["04"]["missing"]


def test_scores_that_are_no_numbers_leave_the_page_readable(pixels):
    odd = picture(pixels, 1, scores={"a": float("nan"), "b": float("inf")})
    page = Page(render(report(pixels, galleries=(Gallery(title="g", pictures=(odd,)),)), pixels, {}))
    assert page.pictures()["galleries"][0][0]["scores"] == [["a", None, "–"], ["b", None, "∞"]]


def test_small_images_keep_every_pixel_and_large_ones_shrink(pixels):
    small, large = drawn(pixels, 7, size=32), drawn(pixels, 7, size=500)
    pictures = tuple(Picture(sample=Sample(image=address), label="cat") for address in (small, large))
    page = Page(render(report(pixels, galleries=(Gallery(title="g", pictures=pictures),)), pixels, {}))
    uri, width, height = page.pictures()["images"][small.digest]
    kept = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert (width, height) == (32, 32)
    assert kept.convert("RGB").tobytes() == pixels.image(small).tobytes()
    assert page.pictures()["images"][large.digest][1:] == [320, 320]


def test_a_source_that_many_share_is_kept_once(pixels):
    page = Page(render(report(pixels), pixels, {}))
    described = page.pictures()["galleries"][0]
    assert len({each["source"] for each in described}) == 1
    assert len(page.pictures()["images"]) == 3  # the source is the first picture too


def test_every_image_has_an_alternative_and_every_field_a_label(pixels):
    page = Page(render(report(pixels), pixels, FACTS))
    assert page.all("img")
    assert all("alt" in attributes for attributes in page.all("img"))
    text = render(report(pixels), pixels, FACTS)
    for field in re.findall(r"<(?:input|select)[^>]*>", text):
        before = text[: text.index(field)]
        assert before.rfind("<label") > before.rfind("</label>"), field


def test_tables_can_be_sorted_by_every_column(pixels):
    text = render(report(pixels), pixels, {})
    headers = re.findall(r"<th scope=\"col\"[^>]*>.*?</th>", text)
    assert len(headers) == 3
    assert all('aria-sort="none"' in header and '<button type="button">' in header for header in headers)
    assert re.search(r'<td class="number" data-order="55.2"><abbr title="95 % interval from 52.1 to 58.3 ', text)


def test_the_best_of_a_column_is_told_by_more_than_colour(pixels):
    text = render(report(pixels), pixels, {})
    assert re.search(r'<strong class="best">.*60\.0.*★.*best</span></strong>', text)


def test_headings_are_in_order_and_landmarks_are_there(pixels):
    page = Page(render(with_plots(pixels), pixels, FACTS))
    levels = [int(tag[1]) for tag, _ in page.elements if tag in {"h1", "h2", "h3"}]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(page.all(tag) for tag in ("header", "nav", "main", "footer"))


def test_what_failed_is_said_first_and_listed_with_its_reason(pixels):
    text = render(report(pixels), pixels, FACTS)
    assert text.index("1 item failed") < text.index("<dl")
    assert "The image is blank." in text
    assert "a red cat" in text
    assert "1 of them is listed" in render(report(pixels), pixels, FACTS | {"failed": 900})
    assert "failed" not in render(Report(title="t"), pixels, {"failed": 0})


def test_the_facts_of_the_run_and_its_whole_configuration_are_there(pixels):
    text = render(report(pixels), pixels, FACTS | {"device": "cpu"})
    assert "shots: 4\nseeds: [0, 1]" in text
    assert "1 min 15 s" in text
    assert "<dt>device</dt><dd>cpu</dd>" in text


def test_a_thousand_pictures_are_a_page_of_bounded_size_in_bounded_time(pixels):
    pictures = tuple(picture(pixels, number, source=drawn(pixels, number % 40)) for number in range(1000))
    start = time.perf_counter()
    text = render(report(pixels, galleries=(Gallery(title="g", pictures=pictures),)), pixels, {})
    assert time.perf_counter() - start < 5
    assert len(text) < 3_000_000
    shown = Page(text).pictures()["galleries"][0]
    assert len(shown) == CAP
    assert [shown[0]["words"], shown[-1]["words"]] == ["a photo, 0", "a photo, 998"]
    assert f"This page carries {CAP} of 1,000 pictures" in text


def test_a_page_replaces_the_one_before_and_leaves_nothing_else(pixels, tmp_path):
    path = tmp_path / "new" / "report" / "index.html"
    write(Report(title="first"), path, pixels, {})
    assert write(Report(title="second"), path, pixels, {}) == path
    assert "second" in path.read_text("utf-8")
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_said(pixels, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DiskTrouble):
        write(Report(title="t"), tmp_path / "index.html", pixels, {})


def test_the_page_is_made_without_torch():
    code = "import sys, counterfactory.report.page; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
