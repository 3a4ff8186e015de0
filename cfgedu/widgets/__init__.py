"""Demos one can play with: in each module a scene, which draws on a figure from plain state, and a thin ipywidgets shell."""
