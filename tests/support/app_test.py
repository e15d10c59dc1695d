"""A faster `AppTest`: installed packages are scanned once for Streamlit components."""

from collections.abc import Iterator
from functools import cache

import pytest
from streamlit.components.v2 import manifest_scanner


@pytest.fixture(scope="session", autouse=True)
def one_scan_for_components() -> Iterator[None]:
    """Share the scan among all apps.

    Every `AppTest` reads the metadata of all installed packages, which takes longer than a page.
    The app uses no component of another package.
    """
    scan = cache(manifest_scanner.scan_component_manifests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield
