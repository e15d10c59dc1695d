"""Opening a page loads neither torch nor Dask, which only runs need."""

import json
import os
import subprocess
import sys
from pathlib import Path

from maskaq.ui.state import pages

ROOT = Path(__file__).parents[2]
# One process opens every tab twice, first as a demo. Pages that can start a run also start a worker
# ahead of time, which loads Dask: that is left out.
CODE = """
import json, os, sys
from streamlit.testing.v1 import AppTest
from maskaq.jobs import service
from maskaq.ui.state import pages

HEAVY = ("torch", "timm", "scipy", "distributed", "matplotlib")
app = AppTest.from_file("app.py", default_timeout=60)
app.query_params.update(block="2", head="1", mask_ratio="0.3")
opened = []

def visit(page):
    for tab in page.tabs:
        if tab:
            app.session_state[page.parameter] = tab
        app.switch_page(page.file).run()
        assert not app.exception, app.exception
        assert app.title or page is pages.PLAYGROUND  # its title is part of the component
        loaded = [name for name in HEAVY if name in sys.modules]
        assert not loaded, f"{page.title} {tab} loads {loaded}"
        opened.append(page.title)

for page in pages.PAGES:
    visit(page)
del os.environ["MASKAQ_READONLY"]
service.warm = lambda: None
for page in pages.PAGES:
    visit(page)
print(json.dumps(opened))
"""


def test_no_page_loads_a_heavy_library(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "MASKAQ_READONLY": "1",
            "MASKAQ_RUNS": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(json.loads(done.stdout)) == 2 * sum(len(spec.tabs) for spec in pages.PAGES)
