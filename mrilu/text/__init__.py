"""What every text needs before Unicode's algorithms see it. Pure."""
