"""Scripts that measure: tables of the documents, stored results, and speed."""
