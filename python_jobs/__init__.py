"""Python jobs around the dbt project: landing, building, reporting."""
