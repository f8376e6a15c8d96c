"""python3 -m pstorefs: the command `pstorefs`."""

import sys

from pstorefs.cli.pstorefs import main

sys.exit(main())
