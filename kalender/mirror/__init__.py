"""From FS and TP to the mirror, and from what changed there to marks."""
