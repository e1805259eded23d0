"""How PostgreSQL is to look for the rows of a transaction."""

# The first statement of a transaction that looks rows up by their keys. A session keeps its plans; those that it made
# while the tables were small would read whole tables for each batch of a first import. Nor does the planner take a key
# for one that nothing has. It holds until the transaction ends.
BY_INDEX = "SET LOCAL enable_seqscan = off"
