"""The state of the app: URL, selection, session, stored runs. Draws nothing."""
