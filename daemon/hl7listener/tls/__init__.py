"""TLS of feeds: what it is made of, how connections come to it, and how its files are looked after."""
