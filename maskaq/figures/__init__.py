"""Charts: functions that turn arrays and data frames into a `Chart`. No Streamlit, no torch."""
