"""`python -m maskaq`."""

import sys

from maskaq.cli import main

sys.exit(main())
