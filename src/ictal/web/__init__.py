"""The viewer: a server on this machine, and the page that it gives to a browser."""
