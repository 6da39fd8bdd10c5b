"""One module a data source; each turns a public data set into rows of a task."""
