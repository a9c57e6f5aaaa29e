"""Tables and figures. They are drawn only from the files of the runs."""
