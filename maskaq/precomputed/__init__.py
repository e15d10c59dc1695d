"""Results that ship with the library, and numbers published in papers."""
