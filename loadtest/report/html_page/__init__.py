"""The page of a run, `report.html`: one file that needs no network. `page` puts it together, the others make parts."""
