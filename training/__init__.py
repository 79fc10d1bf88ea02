"""How the router's weights are made: see README.md beside this file. Not part of the installed package."""
