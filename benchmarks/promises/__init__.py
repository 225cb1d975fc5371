"""Every promise of the project, measured with its stated number of cases, room by room."""
