"""A daemon that speaks TLS, with certificates of its own."""

import subprocess
from contextlib import contextmanager
from pathlib import Path

from daemon import Daemon, free_port


@contextmanager
def tls_daemon(directory, auth_clients):
    """Clients find it at `tls_port`, and the certificates in `certificates`."""
    certificates = directory / "certificates"
    certificates.mkdir()
    subprocess.run([Path(__file__).with_name("certificates"), certificates], check=True, timeout=30)
    port = free_port()
    files = [f"--tls-cert-file={certificates}/server.pem", f"--tls-key-file={certificates}/server-key.pem"]
    files += [f"--tls-ca-cert-file={certificates}/ca.pem", f"--tls-auth-clients={auth_clients}"]
    with Daemon(directory, f"--tls-port={port}", *files) as daemon:
        daemon.tls_port = port
        daemon.certificates = certificates
        yield daemon
