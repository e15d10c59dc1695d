"""Results that ship with the library, and the numbers that the papers published."""
