"""Dictionary exports: what is exported (book, rows), one module per format, and each build in a child process."""
