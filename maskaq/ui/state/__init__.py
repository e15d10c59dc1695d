"""The state of the app: URL, selection, session, uploads, stored runs, page table."""
