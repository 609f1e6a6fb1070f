"""aiosmtpd with what only a program can set: aiosmtpd-variation.py ADDRESS no-help|tls-auth"""

import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword, syntax


class WithoutHelp(SMTP):
    @syntax("HELP [command]")
    async def smtp_HELP(self, arg):
        await self.push("502 5.5.1 HELP not implemented")


class HidesHelp(Sink):
    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        kept = [response for response in responses if response[4:] != "HELP"]
        return kept[:-1] + ["250 " + kept[-1][4:]]


class ClosedController(Controller):
    def factory(self):
        return WithoutHelp(self.handler, **self.SMTP_kwargs)


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"user", b"pass")
    return AuthResult(success=good, handled=False)


address, variation = sys.argv[1:]
if variation == "no-help":
    controller = ClosedController(HidesHelp(), hostname=address, port=25)
else:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain("/etc/ssl/mail.pem", "/etc/ssl/mail.key")
    controller = Controller(
        Sink(), hostname=address, port=25, tls_context=context, authenticator=authenticate, auth_require_tls=False
    )
controller.start()
threading.Event().wait()
