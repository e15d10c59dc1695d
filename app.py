"""The app: `streamlit run app.py`. Pages are listed in `maskaq/ui/catalog.py`."""

from maskaq.ui import router

router.route()
