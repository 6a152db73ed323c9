"""The marts in PostgreSQL, for BI tools: a server, its security, and how a release gets there."""
