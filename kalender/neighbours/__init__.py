"""Who may be asked now, how many at once, and how often."""
