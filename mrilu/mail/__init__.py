"""Pure mail parser: the bytes of one mail in, a ParsedMessage out; knows neither settings nor database."""
