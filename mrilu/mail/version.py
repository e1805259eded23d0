"""Which parser this is; the parser itself takes a third of a second to load, and most who ask do not parse."""

# Mail that a parser of a lower number read is read again: one more wherever mail is read better.
PARSER_VERSION = 4
