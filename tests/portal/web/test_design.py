"""The design system holds together: tokens alone, contrast, classes, a gallery that shows everything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from portal.web.design import tokens
from portal.web.packing import FOLDER
from portal.web.pages import COMPONENTS, TEMPLATES
from tests.portal.web.test_pages import inspect
from tests.portal.web.world import World

SHEETS = sorted(FOLDER.glob("*.css"))
CSS = {path.name: re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL) for path in SHEETS}
PORTAL = TEMPLATES.parent
TESTS = Path(__file__).parents[2]
TONES = ("ok", "info", "unfinished", "warn", "bad")
#: (what is written, on what): WCAG 2.2, 1.4.3.
TEXT = [
    *((colour, ground) for colour in ("ink", "muted", "brand") for ground in ("paper", "wash")),
    *(("on-brand", ground) for ground in ("brand", "brand-deep")),
    *(pair for tone in TONES for pair in ((tone, f"{tone}-wash"), ("ink", f"{tone}-wash"), (tone, "paper"))),
    *(("muted", f"{tone}-wash") for tone in TONES),
    *(("brand", f"{tone}-wash") for tone in TONES),
    ("on-focus", "focus"),
    ("code-ink", "code-paper"),
]
#: Edges of boxes, icons, the two rings of the focus: WCAG 2.2, 1.4.11.
EDGES = [("edge", "paper"), ("edge", "wash"), ("paper", "ok"), ("focus", "on-focus"), ("brand", "line")]
#: Components that no page shows by themselves, or that are one whole form of one page.
NOT_SHOWN = {
    "icons": "the drawings, once in base.html",
    "message": "inside every field",
    "tongue": "in the head of every page",
    "token": "a hidden field",
    "passkey": "speaks to a device, for somebody signed in",
    "openid_button": "leads to the provider that the settings name",
    "lookup_form": "one form of one page, of components that are shown",
    "box_file": "inside the box",
    "scan": "inside the box; a script shows it where there is a camera",
    "installable": "a line of the head, nothing to see",
    "pile_row": "one line of the table of one page",
}


def rules(name: str) -> str:
    """A style sheet without the blocks that declare tokens."""
    return re.sub(r":root \{[^}]*\}", "", CSS[name])


@pytest.mark.parametrize("name", CSS)
def test_colours_are_named_in_the_tokens_alone(name: str) -> None:
    found = re.findall(
        r"#[0-9a-f]{3,8}\b(?![^{}]*\{)|\b(?:rgba?|hsla?|oklch|lab|color-mix)\(|"
        r":[^;{}]*\b(?:white|black|red|green|blue|yellow|orange|gr[ae]y|silver|navy)\b",
        rules(name),
        re.IGNORECASE,
    )
    assert found == []


@pytest.mark.parametrize("name", CSS)
def test_sizes_of_text_and_spaces_are_tokens(name: str) -> None:
    """Relative sizes (em, %, a share of the screen) say what they stand beside; ``pt`` is paper's."""
    for value in re.findall(r"font-size: ([^;}]+)", rules(name)):
        assert re.fullmatch(
            r"var\(--text-[a-z0-9]+\)|[\d.]+(em|%|pt)|min\([^)]*\)+|inherit", value.strip()
        ), value
    for value in re.findall(r"[\s{;](?:gap|(?:margin|padding)[a-z-]*): ([^;}]+)", rules(name)):
        raw = [float(each) for each in re.findall(r"(?<![\w.-])([\d.]+)rem", value)]
        assert all(each < 0.2 or each > 2 for each in raw), value
    for value in re.findall(r"border-radius: ([^;}]+)", rules(name)):
        assert re.fullmatch(r"var\(--round(-small)?\)|0|50%|2px", value.strip()), value


def test_every_token_is_used_and_every_use_is_declared() -> None:
    everything = "".join(CSS.values())
    used = set(re.findall(r"var\(--([a-z0-9-]+)", everything))
    declared = {token.name for token in tokens()}
    assert declared - used == set()
    local = set(re.findall(r"[{;]\s*--([a-z0-9-]+):", "".join(rules(name) for name in CSS)))
    assert used - declared == local
    assert len(declared) == len(tokens()) > 40


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance of ``#rgb`` or ``#rrggbb``."""
    digits = colour.removeprefix("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_measures() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXT, 4.5), (EDGES, 3)])
def test_contrast(mode: str, pairs: list[tuple[str, str]], least: float) -> None:
    colours = {token.name: getattr(token, mode) for token in tokens() if token.is_colour}
    weak = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in pairs}
    assert {pair: found for pair, found in weak.items() if found < least} == {}


def test_every_colour_is_weighed() -> None:
    """One that no pair names is one of which nobody knows whether it can be read; lines only part."""
    weighed = {name for pair in (*TEXT, *EDGES) for name in pair}
    assert {token.name for token in tokens() if token.is_colour} == weighed


def test_the_browsers_own_frame_takes_the_same_colours() -> None:
    base = (TEMPLATES / "base.html").read_text("utf-8")
    by_name = {token.name: token for token in tokens()}
    told = dict(re.findall(r'prefers-color-scheme: (\w+)\)" content="(#\w+)"', base))
    assert told == {"light": by_name["brand"].light, "dark": by_name["paper"].dark}


def test_lines_are_high_enough_for_two_marks() -> None:
    """Vietnamese stacks them: 1.5 in text, 1.3 in headings; nothing cuts a line, nothing shouts."""
    by_name = {token.name: token.light for token in tokens()}
    assert float(by_name["leading"]) >= 1.5
    assert float(by_name["leading-tight"]) >= 1.3
    everything = "".join(CSS.values())
    assert set(re.findall(r"line-height: ([^;}]+)", everything)) == {"var(--leading)", "var(--leading-tight)"}
    assert "text-transform" not in everything
    assert "text-overflow" not in everything


def templates() -> dict[Path, str]:
    return {path: path.read_text("utf-8") for path in sorted(TEMPLATES.rglob("*.html"))}


def test_every_class_of_a_page_has_a_rule() -> None:
    """Or is where a script or a test looks."""
    known = set(re.findall(r"\.(-?[a-z][\w-]*)", re.sub(r"\{[^{}]*\}", "{}", "".join(CSS.values()))))
    looked_at = "".join(path.read_text("utf-8") for path in FOLDER.rglob("*.js"))
    looked_at += "".join(path.read_text("utf-8") for path in TESTS.rglob("*.py"))
    missing = {}
    for path, text in templates().items():
        for value in re.findall(r'class="([^"]*)"', re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", text)):
            for name in value.split():
                if name not in known and not re.search(rf"[.\"' ]{name}\b", looked_at):
                    missing[name] = path.name
    assert missing == {}


def test_every_rule_is_of_a_class_that_is_used() -> None:
    sources = "".join(templates().values())
    sources += "".join(path.read_text("utf-8") for path in FOLDER.rglob("*.js"))
    sources += "".join(path.read_text("utf-8") for path in PORTAL.rglob("*.py"))
    sources += (PORTAL.parent / "verifier" / "report.py").read_text("utf-8")
    words = set(re.findall(r"[\w-]+", sources))
    known = set(re.findall(r"\.(-?[a-z][\w-]*)", re.sub(r"\{[^{}]*\}", "{}", "".join(CSS.values()))))
    assert known - words == set()


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("state", ["", "loi"])
def test_the_gallery_shows_everything(world: World, language: str, state: str) -> None:
    page = world.client.get(f"/thiet-ke?lang={language}&trang-thai={state}")
    assert page.status_code == 200
    inspect(page.text)
    assert {f"--{token.name}" for token in tokens()} <= set(re.findall(r"--[a-z0-9-]+", page.text))
    drawn = set(re.findall(r'href="#(i-[a-z]+)"', page.text))
    assert drawn == set(re.findall(r'<symbol id="([^"]+)"', page.text))
    assert ('aria-invalid="true"' in page.text) is bool(state)
    for tone in TONES:
        for kind in ("panel", "notice", "tag"):
            assert f'class="{kind} {tone}"' in page.text


def test_every_component_stands_in_the_gallery() -> None:
    gallery = (TEMPLATES / "design.html").read_text("utf-8")
    shown = {name for name in COMPONENTS if re.search(rf"\b{name}\(", gallery)}
    assert set(COMPONENTS) - shown == set(NOT_SHOWN)
    files = {path.stem for path in (TEMPLATES / "components").glob("*.html")}
    assert files == set(COMPONENTS)
