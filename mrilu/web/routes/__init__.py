"""The parts of the site: each module has a blueprint `pages`."""
