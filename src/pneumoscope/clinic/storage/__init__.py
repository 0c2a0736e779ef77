"""Storage: the database, its tables and migrations, image files, and sealed secrets."""
