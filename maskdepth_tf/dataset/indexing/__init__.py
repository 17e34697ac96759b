"""Pictures in other layouts to rows: folders, and tables."""
