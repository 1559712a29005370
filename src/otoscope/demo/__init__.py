"""The demo model, its labelled clips, and the recipe that made both.

What ships in the package is data (`model/`, `clips/`); the modules here are the recipe. They need the `speech` extra
(eSpeak NG) and nobody has to run them to use otoscope: see `docs/demo_model.md`.
"""
