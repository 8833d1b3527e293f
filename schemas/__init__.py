"""The documents of the desired state: their fields, their values, and the JSON Schemas made from them."""
