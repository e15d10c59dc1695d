"""The playground, the first page: a browser component and what it is sent."""
