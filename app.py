"""The app's router: `streamlit run app.py`. Pages are listed in `maskaq/ui/catalog.py`."""

import streamlit as st

from maskaq.ui import catalog, controls

st.set_page_config(page_title="maskaq", page_icon=":material/blur_on:", layout="wide")

sections: dict[str, list] = {}
for spec in catalog.PAGES:
    sections.setdefault(spec.section, []).append(
        st.Page(
            spec.file,
            title=spec.title,
            icon=spec.icon,
            help=spec.help,
            url_path=spec.url_path,
            default=spec is catalog.PAGES[0],
        )
    )
page = st.navigation(sections)
controls.sidebar()
page.run()
