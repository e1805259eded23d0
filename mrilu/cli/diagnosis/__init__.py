"""The checks of `./run.sh doctor`: each is one function that returns findings, and takes what it looks at."""
