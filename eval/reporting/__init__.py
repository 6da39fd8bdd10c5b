"""The report of a run as a page for people: results -> plots -> HTML."""
