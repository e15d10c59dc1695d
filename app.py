"""The app: `streamlit run app.py`. Pages are listed in `maskaq/ui/state/pages.py`."""

from maskaq.ui.shell import router

router.route()
