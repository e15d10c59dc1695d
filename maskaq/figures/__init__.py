"""Charts: a data frame in, a Plotly figure out. Knows nothing of Streamlit or torch."""
