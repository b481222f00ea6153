"""Microsoft Graph: batches of requests for one event each, and what each answer means."""
