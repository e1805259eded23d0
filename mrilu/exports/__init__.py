"""Dictionary exports: what is exported (book, rows), one module a format, and the build of one in a child process."""
