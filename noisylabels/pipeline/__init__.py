"""From command-line arguments to files: one resolved plan, then the selection and the trainings."""
