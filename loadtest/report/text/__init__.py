"""Text for terminals, Markdown and CSV: pages of a width, and texts from outside made harmless."""
