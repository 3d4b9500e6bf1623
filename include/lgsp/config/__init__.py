"""A province's own settings: files in the folder `LGSP_CONFIG` that extend or replace those of the program.

Each loader asks `file` for the file that extends its own. A stage calls `activate` first: it uses a checked copy of the
folder, never the folder itself, so what people are just editing is not read. Values that were computed from these files are
kept by `cached`, which forgets them when another copy becomes active. `lgsp.configure` checks a folder and makes the copy.
"""

from lgsp.config.activation import activate as activate
from lgsp.config.activation import active as active
from lgsp.config.activation import cached as cached
from lgsp.config.activation import caches as caches
from lgsp.config.activation import file as file
from lgsp.config.activation import use as use
from lgsp.config.copies import SHIPPED as SHIPPED
from lgsp.config.copies import Config as Config
