"""The only writer: a plan, step by step, onto routers."""
