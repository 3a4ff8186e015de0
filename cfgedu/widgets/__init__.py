"""Demos one can play with, one a module: x_scene draws plain state on a figure, x_demo puts controls on it.

A scene takes its furniture from `stage`; `live` has the controls, the frames and what a notebook stores.
"""
