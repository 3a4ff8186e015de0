"""Demos one can play with: each module has a scene, which draws plain state on a figure, and an ipywidgets shell."""
