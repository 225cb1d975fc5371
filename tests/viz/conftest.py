"""What the tests of figures need."""

import shutil
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture
def golden(request):
    """Compare a text with a file that was looked at; ``--update-golden`` writes the files."""

    def compare(name, text):
        file = GOLDEN / name
        if request.config.getoption("--update-golden"):
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
            pytest.skip(f"{name} was written: look at it")
        assert text == file.read_text(encoding="utf-8"), "if it is meant: pytest --update-golden"

    return compare


@pytest.fixture
def images():
    """Pillow, where resvg is there too."""
    pytest.importorskip("resvg_py")
    return pytest.importorskip("PIL.Image")


@pytest.fixture
def with_dot():
    """Skip where there is no dot program."""
    if shutil.which("dot") is None:
        pytest.skip("Graphviz's dot is not here")


@pytest.fixture(scope="session")
def browser():
    """One headless Chromium for all tests; they are skipped where there is none."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip("no Chromium on the PATH")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser):
    """An empty tab, which fails its test when a script fails or a request leaves."""
    context = browser.new_context(viewport={"width": 900, "height": 500}, reduced_motion="reduce")
    tab = context.new_page()
    noise = []
    tab.on("pageerror", lambda error: noise.append(str(error)))
    tab.on("console", lambda message: noise.append(message.text))
    tab.on("request", lambda request: noise.append(request.url))
    yield tab
    context.close()
    assert [line for line in noise if not line.startswith(("file:", "data:", "about:"))] == []
