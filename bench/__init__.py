"""Figures, as ratios where there is something to hold them against; never pass or fail of tests."""
