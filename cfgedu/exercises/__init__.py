"""The exercises' checks, one module a notebook: each compares an answer with the truth and with the known mistakes."""
