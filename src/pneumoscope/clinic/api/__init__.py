"""The clinic over HTTP: routes by what they are about, and who may take them."""
