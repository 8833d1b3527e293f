"""The command line: the only place that wires adapters to the pipeline."""
