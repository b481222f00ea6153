"""One visit of one calendar: what it should show, and the requests that make it so."""
