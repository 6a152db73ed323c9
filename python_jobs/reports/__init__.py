"""Pictures of a release: the charts, the site around them, PNG and PDF."""
