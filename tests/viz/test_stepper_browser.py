"""The stepper in a browser: what a learner sees at each step, and that nothing leaves the page."""

import re

import pytest

from tests import graphs
from tests.viz.test_themes import contrast, luminance
from tinygrad_edu import Value
from tinygrad_edu.viz import draw
from tinygrad_edu.viz.figure import Step
from tinygrad_edu.viz.stepper import page, stepper

HOSTILE = (
    "</script><img src=x onerror=hacked=1>]]>\"'\u202e\u2028&lt;${1}\n<script>hacked=1</script>"
)
RING, STROKE = "rgb(191, 135, 0)", "rgb(87, 96, 106)"


def drawing(label="w"):
    """The figure of tanh(w·x) at w = 2, x = −3: v0 is w, v1 is x, v2 the product, v3 the result."""
    root = (Value(2.0, label) * Value(-3.0, "x")).tanh()
    return draw(graphs.backward(root), style="circuit", engine="builtin")


SVG, STEPS, REVEAL = drawing().svg(), drawing().steps, drawing().figure.reveal
FRAGMENT = stepper(SVG, STEPS, REVEAL, alt="tanh(w·x)")
LAST = len(STEPS) - 1


@pytest.fixture
def opened(tab):
    """A tab that shows the figure."""
    tab.set_content(page(FRAGMENT, "figure"))
    return tab


def shown(tab, nth=0):
    """The text of one stepper: phase, text, rule, and where it is."""
    parts = (".phase", ".text", ".rule", ".count")
    return [tab.locator(part).nth(nth).text_content() for part in parts]


def expected(step):
    """What should be shown at a step."""
    here = STEPS[step]
    phase = here.phase if here.phase == "start" else f"{here.phase} pass"
    return [phase, here.text, here.rule, f"step {step + 1} of {len(STEPS)}"]


def stroke(tab, selector):
    """The colour and width of a line as drawn."""
    return tab.locator(selector).first.evaluate(
        "e => [getComputedStyle(e).stroke, getComputedStyle(e).strokeWidth]"
    )


def press(tab, *keys):
    """Give the stepper the focus, then press keys."""
    tab.locator(".stepper").first.focus()
    for key in keys:
        tab.keyboard.press(key)


def test_every_step_says_what_it_should(opened):
    """It starts at the last step; the buttons go back and forth through the texts given."""
    assert shown(opened) == expected(LAST)
    for step in reversed(range(LAST)):
        opened.locator("button.previous").click()
        assert shown(opened) == expected(step)
    for step in range(1, LAST + 1):
        opened.locator("button.next").click()
        assert shown(opened) == expected(step)


def test_numbers_appear_at_their_step(opened):
    """Before it they are hidden, from it on they are visible; what is not listed always is."""
    for step in range(LAST + 1):
        press(opened, "Home", *["ArrowRight"] * step)
        for name, appears in REVEAL.items():
            assert opened.locator(f"#{name}").is_visible() == (step >= appears), (step, name)
        assert opened.locator("#v3").is_visible()
        assert opened.locator("#w2_0-f").is_visible()


def test_the_active_node_is_ringed_and_restored(opened):
    """The node being processed and its wires are amber; the others look as they were drawn."""
    press(opened, "Home", "ArrowRight")
    assert stroke(opened, "#v2 rect") == [RING, "3px"]
    assert stroke(opened, "#w2_0 path") == [RING, "3.4px"]
    assert opened.locator("#w2_0 path").nth(1).evaluate("e => getComputedStyle(e).fill") == RING
    assert stroke(opened, "#w3_0 path")[0] == STROKE
    press(opened, "ArrowRight")
    assert stroke(opened, "#v2 rect") == [STROKE, "1.5px"]
    assert stroke(opened, "#w2_0 path") == [STROKE, "3.4px"]
    assert stroke(opened, "#v3 rect") == [RING, "3px"]


def test_a_step_to_show_first(tab):
    """``at`` chooses it."""
    tab.set_content(page(stepper(SVG, STEPS, REVEAL, alt="", at=2), "figure"))

    assert shown(tab) == expected(2)
    assert tab.locator("input").input_value() == "2"


def test_the_slider_goes_anywhere(opened):
    """It says where it is, to screen readers too, and moves with the keys by one step."""
    slider = opened.locator("input[type=range]")

    slider.fill("3")
    assert shown(opened) == expected(3)
    assert slider.get_attribute("aria-valuetext") == f"step 4 of {len(STEPS)}, backward pass"
    slider.press("ArrowLeft")
    assert shown(opened) == expected(2)


def test_keys(opened):
    """Arrows, Home and End, and no further than the ends; other keys are left to the page."""
    opened.evaluate("addEventListener('keydown', e => (window.passed ||= []).push(e.key))")

    press(opened, "ArrowRight")
    assert shown(opened) == expected(LAST)
    press(opened, "ArrowLeft", "ArrowLeft")
    assert shown(opened) == expected(LAST - 2)
    press(opened, "Home", "ArrowLeft")
    assert shown(opened) == expected(0)
    press(opened, "End", "Control+ArrowLeft", "a")
    assert shown(opened) == expected(LAST)
    assert opened.evaluate("passed") == ["Control", "ArrowLeft", "a"]


def test_the_focus_is_seen(opened):
    """Tab reaches the stepper and then its controls, each outlined."""
    for part in (".stepper", "button.previous", "button.play", "button.next", "input"):
        opened.keyboard.press("Tab")
        outline = "e => [e.matches(':focus'), getComputedStyle(e).outlineWidth]"
        assert opened.locator(part).evaluate(outline) == [True, "3px"], part


def test_play_runs_to_the_end_and_stops(tab):
    """From the last step it starts again; its button says what it will do."""
    tab.clock.install()
    tab.set_content(page(FRAGMENT, "figure"))
    button = tab.locator("button.play")

    button.click()
    assert shown(tab) == expected(0)
    assert button.get_attribute("aria-label") == button.get_attribute("title") == "pause"
    for step in range(1, LAST + 1):
        tab.clock.run_for(1600)
        assert shown(tab) == expected(step)
    assert button.get_attribute("aria-label") == "play"
    tab.clock.run_for(10_000)
    assert shown(tab) == expected(LAST)


@pytest.mark.parametrize("key", [" ", "ArrowRight"])
def test_play_is_stopped_by_a_key(tab, key):
    """Space starts it and stops it; so does a step by hand."""
    tab.clock.install()
    tab.set_content(page(FRAGMENT, "figure"))

    press(tab, "Home", " ")
    tab.clock.run_for(1600)
    press(tab, key)
    tab.clock.run_for(10_000)

    assert shown(tab) == expected(1 if key == " " else 2)


def test_space_on_a_button_presses_it_once(opened):
    """The stepper's own meaning of space does not come on top."""
    opened.locator("button.previous").press(" ")

    assert shown(opened) == expected(LAST - 1)
    assert opened.locator("button.play").get_attribute("aria-label") == "play"


def test_two_figures_do_not_clash(tab):
    """The identical figure twice and another one: three steppers, each moved alone."""
    other = stepper(drawing("other").svg(), STEPS, REVEAL, alt="", at=1)
    tab.set_content(page(FRAGMENT + other + FRAGMENT, "figures"))

    press(tab, "Home")

    assert [shown(tab, nth) for nth in range(3)] == [expected(0), expected(1), expected(LAST)]
    assert tab.locator("#w2_0-g").nth(2).is_visible()


def test_a_notebook_may_insert_it_again(tab):
    """As JupyterLab does: innerHTML, then script elements made anew; also while detached."""
    tab.set_content("<body><div class='output'></div></body>")
    insert = """([html, late]) => {
      const output = document.querySelector(".output"), host = document.createElement("div");
      if (!late) output.replaceChildren(host);
      host.innerHTML = html;
      for (const old of host.querySelectorAll("script")) {
        const script = document.createElement("script");
        script.textContent = old.textContent;
        old.parentNode.replaceChild(script, old);
      }
      if (late) output.replaceChildren(host);
    }"""

    for late in (False, True, False):
        tab.evaluate(insert, [FRAGMENT, late])
        assert tab.locator(".stepper").count() == 1
        press(tab, "ArrowLeft")
        assert shown(tab) == expected(LAST - 1)


def test_a_file_opens(tab, tmp_path):
    """A page saved to disk works from its file:// address."""
    file = tmp_path / "figure.html"
    file.write_text(page(FRAGMENT, "L = tanh(w · x)"), encoding="utf-8")

    tab.goto(file.as_uri())

    assert tab.title() == "L = tanh(w · x)"
    assert shown(tab) == expected(LAST)


def test_without_its_script_the_image_shows(tab):
    """In a notebook that is not trusted, the script is stripped."""
    stripped = re.sub(r"<script>.*</script>", "", FRAGMENT, flags=re.DOTALL)
    tab.set_content(page(stripped, "figure"))

    image = tab.get_by_alt_text("tanh(w·x)")

    assert image.is_visible()
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 432


def test_the_image_stays_when_it_can_not_be_read(tab):
    """A drawing that was spoilt on its way is not a reason to show nothing."""
    spoilt = re.sub(r'base64,[^"]*', "base64,PHN2Zz4=", FRAGMENT)
    tab.set_content(page(spoilt, "figure"))

    assert tab.locator("img").is_visible()
    assert tab.locator(".stepper").count() == 0


@pytest.mark.parametrize("text", [HOSTILE, "x" * 10_000], ids=["markup", "long"])
def test_hostile_labels_are_text(tab, text):
    """They are read as they were written, run nothing, and do not make the page wide."""
    steps = [Step("start", "v0", (), text, text)]
    tab.set_content(page(stepper(drawing(text).svg(), steps, {}, alt=text), text))

    assert shown(tab)[1:3] == [text, text]
    assert tab.locator("svg.figure").get_attribute("aria-label") == text
    assert tab.evaluate("typeof hacked") == "undefined"
    assert tab.locator("img[src=x]").count() == 0
    assert tab.evaluate("document.documentElement.scrollWidth") <= 900


def test_what_assistive_software_is_told(opened):
    """Each button has a name, and a change of step is announced politely."""
    for name in ("previous step", "play", "next step"):
        assert opened.get_by_role("button", name=name).get_attribute("title") == name
    assert opened.get_by_role("status").get_attribute("aria-live") == "polite"
    assert opened.get_by_role("img", name="tanh(w·x)").is_visible()


@pytest.mark.parametrize("width", [360, 760])
def test_the_page_does_not_jump(tab, width):
    """All steps take the same room, so that what stands around stays in place."""
    tab.set_viewport_size({"width": width, "height": 500})
    tab.set_content(page(FRAGMENT, "figure"))

    sizes = set()
    for _ in STEPS:
        box = tab.locator(".stepper").bounding_box()
        sizes.add((box["width"], box["height"]))
        press(tab, "ArrowLeft")

    assert len(sizes) == 1


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_motion_is_reduced_where_that_is_preferred(tab, motion):
    """Numbers fade in, but not for those who prefer no motion."""
    tab.emulate_media(reduced_motion=motion)
    tab.set_content(page(FRAGMENT, "figure"))

    duration = tab.locator("#w2_0-g").evaluate("e => getComputedStyle(e).transitionDuration")

    assert duration == ("0s" if motion == "reduce" else "0.25s")


def colors(tab):
    """The panel's text and its ground, as #rrggbb."""
    found = tab.locator(".stepper").evaluate(
        "e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"
    )
    return ["#" + bytes(map(int, re.findall(r"\d+", rgb)[:3])).hex() for rgb in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "style",
    [
        "",
        "body { background: #111; color: #eee }",
        ":root { --jp-layout-color1: #111; --jp-ui-font-color1: #ddd }",
        ":root { --jp-layout-color1: white; --jp-ui-font-color1: #222 }",
    ],
    ids=["plain", "dark", "jupyter-dark", "jupyter-light"],
)
def test_it_can_be_read_on_any_page(tab, scheme, style):
    """Text and ground contrast by 7 to 1 or more (WCAG 2.2, 1.4.6), and follow the page's theme."""
    tab.emulate_media(color_scheme=scheme)
    tab.set_content(page(f"<style>{style}</style>{FRAGMENT}", "figure"))

    ink, ground = colors(tab)

    dark = "#111" in style if "jp" in style else scheme == "dark"
    assert contrast(ink, ground) >= 7
    assert (luminance(ground) < luminance(ink)) == dark
