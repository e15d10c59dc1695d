"""Runs as files to pass on: one HTML page, or their tables. Knows nothing of Streamlit."""
