"""The words of the domain: frozen values without I/O, shared by every stage of the pipeline."""
