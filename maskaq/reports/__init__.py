"""Reports of runs as files: an HTML page, or tables. No Streamlit."""
