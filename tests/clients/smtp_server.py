"""A mail server that takes every mail and prints it as one line of JSON.

Arguments: TLS mode ("none", "starttls", "tls"), certificate, key, user, password, and an address that it refuses.
First it prints the port that it listens on. With a user, it takes mail only after a login over TLS.
"""

import asyncio
import json
import ssl
import sys
from email import message_from_bytes
from email.policy import default

from aiosmtpd.smtp import SMTP, AuthResult

MODE, CERTIFICATE, KEY, USER, PASSWORD, REFUSED = (sys.argv[1:] + [""] * 6)[:6]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == REFUSED:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = message_from_bytes(envelope.content, policy=default)
        print(
            json.dumps(
                {
                    "from": envelope.mail_from,
                    "to": envelope.rcpt_tos,
                    "subject": message["subject"],
                    "id": message["message-id"],
                    "auto": message["auto-submitted"],
                    "text": message.get_content(),
                    "tls": session.ssl is not None or MODE == "tls",
                    "user": session.auth_data.decode() if session.auth_data else None,
                }
            ),
            flush=True,
        )
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    right = data.login == USER.encode() and data.password == PASSWORD.encode()
    return AuthResult(success=right, auth_data=data.login)


async def main():
    context = None
    if MODE != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE, KEY)

    def session():
        return SMTP(
            Handler(),
            tls_context=context if MODE == "starttls" else None,
            require_starttls=MODE == "starttls",
            authenticator=authenticate if USER else None,
            auth_required=bool(USER),
            # With TLS from the beginning the library does not know that there is TLS.
            auth_require_tls=MODE == "starttls",
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        session, "127.0.0.1", 0, ssl=context if MODE == "tls" else None
    )
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


asyncio.run(main())
