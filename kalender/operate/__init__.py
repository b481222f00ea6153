"""What operators ask, and what monitoring reads."""
