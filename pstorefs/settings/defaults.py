"""Default paths. Plain strings, as they are read where the start must be fast."""

#: Where this machine's own records are archived.
DEFAULT_ARCHIVE = "/var/lib/pstorefs"
#: Where systemd-pstore moves them to. systemd-pstore(8)
SYSTEMD_ARCHIVE = "/var/lib/systemd/pstore"
#: Where `pstorefs --ship` keeps its receipts.
DEFAULT_RECEIPTS = "/var/lib/pstorefs-ship"
#: Where contrib/setup --fleet installs obstore.
FLEET_LIBRARY = "/usr/local/lib/pstorefs/fleet"
#: What `pstorefs --ship` reads where the command line says nothing.
SHIP_CONFIG = "/etc/pstorefs/ship.conf"
#: The store's credentials, where no service manager hands them over. systemd.exec(5)
SHIP_CREDENTIALS = "/etc/credstore/pstorefs-ship"
#: What a mount of the fleet reads where its source is `fleet`, and its credentials.
FLEET_CONFIG = "/etc/pstorefs/fleet.conf"
FLEET_CREDENTIALS = "/etc/credstore/pstorefs-fleet"
