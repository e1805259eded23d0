"""The quote graph: which passage of which earlier message a quotation came from."""
