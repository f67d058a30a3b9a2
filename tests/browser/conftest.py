"""A real Chromium, and a real service with hostile builds, started once each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.ui import WebDriverWait

from tests.parts import require_part
from tests.parts.board import ServedBoard
from tests.parts.site import Site, serve_site

if TYPE_CHECKING:
    from collections.abc import Iterator

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--window-size=1100,900"),
)


class Screen:
    """What Chromium shows of a program that serves pages.

    Attributes:
        driver: What drives it.
        url: The program's address.
    """

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self, path: str) -> Self:
        """Go to a path of the program."""
        self.driver.get(self.url + path)
        return self

    def follow(self, by: str, value: str) -> Self:
        """Click on what leads to another page, and wait until that is there."""
        before = self.driver.find_element("tag name", "html")
        self.driver.find_element(by, value).click()
        # While the page is exchanged, the driver may know of neither of both.
        wait = WebDriverWait(self.driver, 20, ignored_exceptions=[WebDriverException])
        wait.until(staleness_of(before))
        wait.until(lambda _: self.run("return document.readyState") == "complete")
        return self

    @property
    def text(self) -> str:
        """Return what a person reads in the page's main part."""
        (*main, body) = self.driver.find_elements("css selector", "main, body")[::-1]
        return str((main or [body])[0].text)

    def log(self) -> list[dict[str, Any]]:
        """Return what Chromium has told of the page: policies, scripts, files."""
        found: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]  # Selenium's own
        return found

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 - what a script returns
        """Run a script of the test's own, which no policy of the page hinders."""
        return self.driver.execute_script(script, *arguments)

    def show(self, *, dark: bool = False, width: int = 1100, media: str = "") -> None:
        """Set how the page is shown."""
        scheme = "dark" if dark else "light"
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": media, "features": features}
        )
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


class Page(Screen):
    """A page of the service.

    Attributes:
        site: The service that the page is of.
    """

    def __init__(self, driver: webdriver.Chrome, site: Site) -> None:
        super().__init__(driver, site.service.url)
        self.site = site

    def sign_in(self, token: str) -> Self:
        """Send a token with each request from now on."""
        headers = {"headers": {"Authorization": f"Bearer {token}"}}
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", headers)
        return self

    def sign_out(self) -> Self:
        """Send no token any more, and forget every cookie."""
        self.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {}})
        self.driver.delete_all_cookies()
        return self

    def build(self, job: str, rest: str = "") -> Self:
        """Go to the page of a build, or below it."""
        return self.open(f"/jobs/{quote(job, safe='')}{rest}")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service with builds on record."""
    with serve_site(tmp_path_factory.mktemp("site")) as served:
        yield served


@pytest.fixture(scope="session")
def _driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Chromium."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(require_part("chromium"))
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service(str(require_part("chromedriver")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SE_OFFLINE", "true")
        patch.setenv("SE_AVOID_STATS", "true")
        driver = webdriver.Chrome(service=service, options=options)
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def served() -> Iterator[ServedBoard]:
    """The port of a watcher, whose board tests fill."""
    with ServedBoard() as one:
        yield one


@pytest.fixture
def board(served: ServedBoard, _driver: webdriver.Chrome) -> Screen:
    """Chromium, before the port of a watcher."""
    shown = Screen(_driver, served.url)
    shown.show()
    return shown


@pytest.fixture
def page(site: Site, _driver: webdriver.Chrome) -> Page:
    """Chromium, signed in as the administrator."""
    shown = Page(_driver, site)
    shown.show()
    return shown.sign_in(site.service.admin)
