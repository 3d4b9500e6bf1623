"""Check a province's own files as a whole, keep copies of good ones, and show and compare their values."""

from lgsp.configure.acceptance import accept as accept
from lgsp.configure.acceptance import problems as problems
