"""The page `report.html` of a run; `python -m ldm.report run=...` writes it again."""
