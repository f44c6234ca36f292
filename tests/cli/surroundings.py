"""What surrounds the program must not steer its cryptography: OpenSSL's configuration and modules."""
import os

from harness import Place, case, equal, works

BROKEN = "openssl_conf = here\n[here]\nproviders = no_such_section\nalg_section = no_such_section\n"
NULL = "openssl_conf = here\n[here]\nproviders = some\n[some]\nnull = on\n[on]\nactivate = 1\n"
# A library that runs code as it is loaded would have had its way by then: a file that is none shows the attempt as well.
FOREIGN = "openssl_conf = here\n[here]\nproviders = some\n[some]\ndefault = on\nforeign = foreign\n[on]\nactivate = 1\n" \
          "[foreign]\nmodule = DIRECTORY/foreign.so\nactivate = 1\n"
FIPS_ONLY = "openssl_conf = here\n[here]\nalg_section = strict\n[strict]\ndefault_properties = fips=yes\n"


@case
def no_configuration_of_openssl_is_read():
    texts = {"broken": BROKEN, "null": NULL, "foreign": FOREIGN, "fips": FIPS_ONLY}
    with Place() as p:
        sealed = p.seal()
        p.write("foreign.so", b"no library")
        os.mkfifo(p / "fifo")  # reading this would never end
        for name, text in texts.items():
            p.write(name, text.replace("DIRECTORY", p.path).encode())
        for name in [*texts, "fifo"]:
            options = {"env": dict(os.environ, OPENSSL_CONF=p / name, OPENSSL_MODULES=p.path), "timeout": 60}
            store = p / ("K " + name)
            works("keystore", "create", store, warnings=1, **options)
            works("keystore", "verify", p.keystore, **options)
            works("seal", "-k", store, "--suite=ctr", p.source, p / ("S " + name), **options)
            for keystore, out in ((store, p / ("S " + name)), (p.keystore, sealed)):
                equal(works("unseal", "-k", keystore, out, "-", **options), p.data, f"under {name}")
