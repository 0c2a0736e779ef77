"""Storage: database, tables, migrations, image files and sealed secrets."""
