"""The processes and threads that claim work, do it, and decide what becomes of it when it fails."""
