"""`python -m xsession`, and this file run by its path (`python -I FILE`): as `xsession` is."""

import os
import sys

if not __package__:  # by its path: make the folder that holds the package importable
    sys.path[:0] = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

from xsession.cli import run

run()
