"""The demo model, its labelled clips, and the recipe that made both.

The package ships the data (`model/`, `clips/`); the modules here are the recipe. They need the `speech` extra (eSpeak
NG), and are not needed to use otoscope: see `docs/demo_model.md`.
"""
