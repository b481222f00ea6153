"""Exchange Web Services: one SOAP call for each request, and what its answer means."""
