"""What all pages have in common: no script and no style inside, and everybody can read them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import html

import engine.web
from tests.web.reception import Reception

STATIC = Path(engine.web.__file__).parent / "static"


def addresses(desk: Reception) -> list[str]:
    held = desk.number_of("HELD")
    return [
        "/",
        "/messages",
        "/messages/1",
        "/tasks",
        f"/tasks/{held}",
        f"/tasks/confirm?verb=cancel&task={held}",
        "/routes",
        "/routes/try",
        "/nodes",
    ]


async def trees(desk: Reception) -> list[tuple[str, html.HtmlElement]]:
    return [(it, html.fromstring(await desk.see(it))) for it in addresses(desk)]


async def test_no_page_has_a_script_or_a_style_inside(desk: Reception) -> None:
    for address, page in await trees(desk):
        assert page.xpath("//@style | //style") == [], address
        assert page.xpath("//script[not(@src)]") == [], address
        assert page.xpath("//@*[starts-with(name(), 'on') or starts-with(name(), 'hx-on')]") == [], address
        assert [it for it in page.xpath("//@src | //@href") if "//" in it] == [], address


async def test_what_a_page_loads_is_in_the_package(desk: Reception) -> None:
    for _, page in await trees(desk):
        for path in page.xpath("//script/@src | //link/@href"):
            assert (STATIC / path.removeprefix("/static/").partition("?")[0]).is_file(), path


async def test_every_form_that_is_posted_has_the_token(desk: Reception) -> None:
    for address, page in await trees(desk):
        for form in page.xpath("//form[@method='post']"):
            assert form.xpath(".//input[@name='csrf']/@value") == ["a-token"], address


async def test_every_page_has_landmarks_one_heading_and_a_way_past_the_navigation(desk: Reception) -> None:
    for address, page in await trees(desk):
        assert len(page.xpath("//main")) == len(page.xpath("//h1")) == 1, address
        assert page.xpath("//header//nav/@aria-label") == ["Pages"], address
        assert page.xpath("//a[@class='skip']/@href") == ["#main"], address
        assert page.get("lang") == "en", address


async def test_tables_have_captions_and_fields_have_labels(desk: Reception) -> None:
    for address, page in await trees(desk):
        for table in page.xpath("//table"):
            assert len(table.xpath("./caption")) == 1, address
            assert table.xpath(".//th[not(@scope)]") == [], address
        fields = "//input[@type!='hidden' or not(@type)] | //select | //textarea"
        for field in page.xpath(fields):
            named = field.xpath("ancestor::label") or field.get("aria-label")
            assert named or page.xpath(f"//label[@for='{field.get('id')}']"), (address, field.attrib)


async def test_no_name_of_an_element_is_given_twice(desk: Reception) -> None:
    for address, page in await trees(desk):
        names = page.xpath("//@id")
        assert len(names) == len(set(names)), address


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_are_told_apart_by_everybody(theme: str) -> None:
    """WCAG 2.1, 1.4.3: 4.5 to 1 for text."""
    colours = _colours(theme)
    pairs = [(tone, f"{tone}-ground") for tone in ("good", "warn", "bad", "move", "off")]
    pairs += [(tone, "surface") for tone in ("ink", "muted", "good", "warn", "bad", "move", "off", "accent")]
    pairs += [("ink", "ground"), ("muted", "ground"), ("accent", "ground"), ("on-accent", "accent")]
    for text, ground in pairs:
        assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def _colours(theme: str) -> dict[str, str]:
    style = (STATIC / "style.css").read_text()
    block = style.split(":root {" if theme == "light" else ':root[data-theme="dark"] {')[1].split("}")[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]+);", block))


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
