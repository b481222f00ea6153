"""Pure: no I/O, no clock, no logging, no randomness. The rules live here and nowhere else."""
