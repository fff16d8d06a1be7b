"""What a run or a sweep is shown with: report.html, model_card.md and checklist.md, made from its files alone.

Import it only to make one: jinja2 and matplotlib are slow to load.
"""
