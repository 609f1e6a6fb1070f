"""Random odd dialogues, from a seed: what a client says, as a list of writes."""

import random
from dataclasses import dataclass


@dataclass
class Write:
    """What is said at once: nearly always one line."""

    data: bytes
    kind: str = "plain"  # what is odd about it
    inside: bool = False  # of a message: said only where a 354 stands open


FIRST = {
    "empty": [b"\r\n", b"\n", b" \r\n", b"\t\r\n", b"  \t \r\n"],
    "nul": [b"\0\r\n", b"\0HELP\r\n", b"HE\0LP\r\n", b"NOOP\0\r\n", b"NOOP x\0y\r\n", b"\0\0\0\0\n"],
    "high": [
        b"\x80\r\n", b"\xff\xfe\r\n", b"\xe9hlo x\r\n", b"NOOP \xc3\xa9\r\n", b"\xff\xfb\x1f\xff\xfb\x20\r\n",
        b"HELP\xa0\r\n",
    ],
    "control": [
        b"\x01\x02 x\r\n", b"\x1b[A\r\n", b"\x7f\r\n", b"NOOP \x07\r\n", b"HELP\x0b\r\n", b"\x08\x08NOOP\r\n",
        b"\x03\r\n",
    ],
    "ssh": [b"SSH-2.0-OpenSSH_9.6\r\n", b"SSH-x\r\n", b"SSH-1.99-x\n"],
    "tls": [
        b"\x16\x03\x01\0\x05hello\r\n", b"\x16\x03\r\n", b"\x16\x03\x03\0\x02\x01\0\r\n",
        b"\x80\x2e\x01\x03\x01\r\n",
    ],
    "rfb": [b"RFB 003.008\n", b"RFB 003.003\r\n", b"RFB x\r\n"],
    "http": [
        b"GET / HTTP/1.0\r\n", b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n", b"HEAD / HTTP/1.0\n", b"GET /\r\n",
        b"CONNECT mail.example.org:25 HTTP/1.0\r\n", b"PRI * HTTP/2.0\r\n", b"OPTIONS * HTTP/1.1\r\n",
        b"Host: example.org\r\n", b"OPTIONS rtsp://example.org/ RTSP/1.0\r\n",
        b"OPTIONS sip:nm@example.org SIP/2.0\r\n",
    ],
    "other": [
        b"USER bob\r\n", b"a001 LOGIN bob x\r\n", b"NICK bob\r\n", b"+OK\r\n", b"* OK\r\n", b"JRMI\0\x02K\r\n",
        b"220 mx\r\n", b"\0\0\0\x2f\xffSMBr\r\n", b"0\x0c\x02\x01\x01`\x07\x02\x01\x03\x04\0\x80\0\r\n",
        b"l\0\x0b\0\0\0\0\0\0\0\0\0\r\n", b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0\r\n", b"250 ok\r\n",
        b"<stream:stream>\r\n", b"\0\x1e\0\x06\x01\0\0\x01\r\n",
    ],
    "proxy1": [
        b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\n", b"PROXY UNKNOWN\r\n",
        b"PROXY TCP6 2001:db8::1 2001:db8::2 1 25\r\n", b"PROXY\r\n", b"PROXY TCP4 x\r\n",
    ],
    "proxy2": [
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x9c\x40\0\x19",
        b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
    ],
}

LINES = {
    "no-verb": [b"123\r\n", b"<x>\r\n", b"-\r\n", b": x\r\n", b"?\r\n", b"=\r\n", b"\"HELP\"\r\n", b"(HELP)\r\n"],
    "lone-dot": [b".\r\n", b"..\r\n", b".\n", b". x\r\n", b".HELP\r\n"],
    "bare-lf": [b"NOOP\n", b"HELP\n", b"RSET\n", b"VRFY bob\n", b"FOO\n"],
    "cr-cr-lf": [b"NOOP\r\r\n", b"HELP\r\r\n", b"RSET\r\r\r\n", b"\r\r\n", b"VRFY bob\r\r\n"],
    "bare-cr": [b"NOOP\rHELP\r\n", b"HELP\rx\r\n", b"\rNOOP\r\n", b"NOOP \r x\r\n"],
    "blanks": [b" HELP\r\n", b"\tNOOP\r\n", b"NOOP \r\n", b"HELP\t\r\n", b"  RSET  \r\n", b"VRFY\tbob\r\n"],
    "two-parts": [b"NO|OP\r\n", b"HELP|\r\n", b"HELP\r|\n", b"RSE|T\r|\n", b"VRFY b|ob\r\n"],
    "long": [
        b"NOOP " + b"x" * 600 + b"\r\n", b"FOO " + b"y" * 2100 + b"\r\n", b"z" * 1030 + b"\r\n",
        b"VRFY " + b"a" * 520 + b"\r\n",
    ],
    "unknown": [
        b"FOO\r\n", b"FROBNICATE x\r\n", b"MAI FROM:<a@example.org>\r\n", b"HELPX\r\n", b"NOOPS\r\n", b"a\r\n",
        b"EHLOX y\r\n",
    ],
    "private": [
        b"XFOO\r\n", b"XADR bob\r\n", b"XEXCH50 5 2\r\n", b"X-LINK2STATE LAST CHUNK={00000001} x\r\n",
        b"XCLIENT NAME=client.example.org\r\n", b"XFORWARD NAME=client.example.org\r\n", b"XAUTH\r\n",
        b"X-EXPS LOGIN\r\n", b"X-ANONYMOUSTLS\r\n", b"XTURN\r\n", b"XUSR\r\n", b"XVRB\r\n",
    ],
    "help": [b"HELP\r\n", b"help\r\n", b"HELP MAIL\r\n", b"HELP bogus\r\n", b"Help  rcpt\r\n", b"HELP DATA x\r\n"],
    "asking": [
        b"VRFY bob\r\n", b"VRFY nobody\r\n", b"VRFY\r\n", b"EXPN bob\r\n", b"EXPN\r\n", b"NOOP\r\n", b"NOOP x y\r\n",
        b"vrfy <bob@example.org>\r\n",
    ],
    "reset": [b"RSET\r\n", b"RSET x\r\n", b"rset\r\n"],
    "hello": [
        b"HELO client.example.org\r\n", b"EHLO client.example.org\r\n", b"EHLO\r\n", b"HELO\r\n", b"HELO a b\r\n",
        b"ehlo [192.0.2.10]\r\n", b"LHLO x\r\n", b"EHLO x_y!\r\n",
    ],
    "rare-verb": [
        b"TURN\r\n", b"TURN x\r\n", b"ETRN example.org\r\n", b"ATRN\r\n", b"SEND FROM:<a@example.org>\r\n",
        b"SOML FROM:<a@example.org>\r\n", b"BURL imap://example.org/x LAST\r\n", b"VERB\r\n", b"ONEX\r\n",
        b"DEBUG\r\n", b"WIZ\r\n",
    ],
    "odd-mail": [
        b"MAIL FROM:<>\r\n", b"MAIL FROM: <a@example.org>\r\n", b"MAIL FROM:a@example.org\r\n",
        b"MAIL FROM:<a@example.org> SIZE=10\r\n", b"MAIL FROM:<a@example.org> BODY=BINARYMIME\r\n",
        b"MAIL FROM:<a@example.org> BODY=8BITMIME\r\n", b"MAIL FROM:<a@example.org> FOO=bar\r\n",
        b"MAIL-FROM:<x@example.org>\r\n", b"MAIL FROM <x@example.org>\r\n", b"MAIL\r\n", b"MAIL FROM:\r\n",
        b"MAIL:FROM:<a@example.org>\r\n", b"mail from:<a@example.org>\r\n", b"MAIL FROM:<a@example.org\r\n",
        b"MAIL\tFROM:<a@example.org>\r\n", b"MAIL FROM:<a@example.org>\n",
    ],
    "odd-rcpt": [
        b"RCPT TO:<>\r\n", b"RCPT TO:<bob>\r\n", b"RCPT TO:<@a.example,@b.example:bob@example.org>\r\n",
        b"RCPT TO:<nobody@example.org>\r\n", b"RCPT TO:<bob@elsewhere.example.com>\r\n", b"RCPT\r\n",
        b"RCPT TO:<\"a b\"@example.org>\r\n", b"RCPT TO:<postmaster>\r\n", b"rcpt to: bob@example.org\r\n",
        b"RCPT TO:bob@example.org\r\n", b"RCPT TO <bob@example.org>\r\n", b"RCPT FROM:<bob@example.org>\r\n",
        b"RCPT TO:<bob@example.org> NOTIFY=NEVER\r\n", b"RCPT TO:<bob@example.org> FOO=1\r\n",
        b"RCPT TO:<b\xc3\xb6b@example.org>\r\n",
    ],
    "auth": [
        b"AUTH PLAIN AGEAYg==\r\n", b"AUTH LOGIN\r\n", b"AUTH\r\n", b"AUTH FOO\r\n", b"AUTH PLAIN\r\n",
        b"AUTH CRAM-MD5\r\n", b"auth login Ym9i\r\n",
    ],
    "odd-data": [b"DATA\r\n", b"DATA x\r\n", b"data\r\n", b"DATA\n", b"DATA \r\n"],
}

# Between two lines of a message, with what the line before it ends in; all but the first may or may not be an end.
ENDS = {
    "end": (b"\r\n", b".\r\n"),
    "lf-dot-lf": (b"\n", b".\n"),
    "lf-dot-crlf": (b"\n", b".\r\n"),
    "crlf-dot-lf": (b"\r\n", b".\n"),
    "crlf-dot-cr-cr-lf": (b"\r\n", b".\r\r\n"),
    "crlf-dot-cr-cr-cr-lf": (b"\r\n", b".\r\r\r\n"),
    "cr-dot-cr": (b"\r", b".\r"),
    "cr-dot-crlf": (b"\r", b".\r\n"),
    "cr-dot-lf": (b"\r", b".\n"),
    "crlf-dot-cr": (b"\r\n", b".\r"),
    "cr-cr-lf-dot-crlf": (b"\r\r\n", b".\r\n"),
    "crlf-dot-blank": (b"\r\n", b". \r\n"),
    "crlf-dot-nul": (b"\r\n", b".\0\r\n"),
    "crlf-nul-dot": (b"\r\n", b"\0.\r\n"),
}

# How a size is spelled, and how many octets a server that reads its leading digits takes.
SIZES = {
    "bdat": "BDAT {0}", "bdat-last": "BDAT {0} LAST", "bdat-lower": "bdat {0} last", "bdat-tab": "BDAT {0}\tLAST",
    "bdat-tab-before": "BDAT\t{0} LAST", "bdat-plus": "BDAT +{0} LAST", "bdat-letter": "BDAT {0}x LAST",
    "bdat-word": "BDAT {0} X", "bdat-blanks": "BDAT   {0}   LAST ", "bdat-zeros": "BDAT 000{0} LAST",
    "bdat-mod32": "BDAT {1} LAST", "bdat-mod64": "BDAT {2} LAST", "bdat-more": "BDAT {0} LAST LAST",
    "bdat-mixed": "BdAt {0} lAsT",
}
NO_CHUNK = [
    b"BDAT\r\n", b"BDAT LAST\r\n", b"BDAT x\r\n", b"BDAT -5 LAST\r\n", b"BDAT 0x5 LAST\r\n", b"BDAT 0\r\n",
    b"BDAT 0 LAST\r\n", b"BDAT \r\n",
]

READ_AS_COMMANDS = [
    b"HELP", b"QUIT", b"RSET", b"NOOP", b"MAIL FROM:<mallory@example.org>", b"RCPT TO:<bob@example.org>", b"DATA",
    b"VRFY bob", b"EHLO client.example.org", b"STARTTLS now", b"BDAT 5 LAST", b"FOO", b"", b"AUTH PLAIN", b"250 ok",
    b"EXPN bob",
]
TEXT = [
    b"Hello Bob,", b"this is text.", b"..stuffed", b". not an end", b"\xc3\xa4 and \x80", b"x" * 90, b"From here on", b"-- ",
    b" ",
]


class Dialogue:
    """One dialogue in the making."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.writes = []
        self.make()

    def chance(self, percent):
        return self.random.randrange(100) < percent

    def pick(self, choices):
        return choices[self.random.randrange(len(choices))]

    def say(self, data, kind="plain", inside=False):
        parts = data.split(b"|") if kind == "two-parts" else [data]
        self.writes += [Write(part, kind, inside) for part in parts]

    def odd(self, table=None):
        table = table or self.pick([FIRST, LINES, LINES, LINES])
        kind = self.pick([kind for kind in table if kind != "proxy2"])
        self.say(self.pick(table[kind]), kind)

    def make(self):
        self.early = self.chance(4)
        self.lawful = self.chance(75)  # where it pipelines
        if self.chance(45):
            kind = self.pick(list(FIRST))
            self.say(self.pick(FIRST[kind]), "first-" + kind)
            if self.chance(15):
                self.odd(FIRST)
        for name in self.pick([["EHLO"]] * 6 + [["HELO"]] * 2 + [["EHLO", "HELO"], ["HELO", "EHLO"], []]):
            self.say(name.encode() + b" client.example.org\r\n")
        for _ in range(self.random.randint(1, 4)):
            if self.chance(45):
                for _ in range(self.random.randint(1, 3)):
                    self.odd()
            else:
                self.transaction()
        if self.chance(75):
            self.say(b"HELP\r\n" if self.chance(30) else b"NOOP\r\n")
        if self.chance(80):
            self.say(b"QUIT\r\n")

    def transaction(self):
        odd = 12
        self.chance(odd) and self.odd()
        if self.chance(90):
            self.say(b"MAIL FROM:<alice@example.org>\r\n")
        elif self.chance(50):
            self.say(self.pick(LINES["odd-mail"]), "odd-mail")
        self.chance(odd) and self.odd()
        for _ in range(self.pick([1, 1, 1, 2])):
            if self.chance(85):
                self.say(b"RCPT TO:<bob@example.org>\r\n")
            else:
                self.say(self.pick(LINES["odd-rcpt"]), "odd-rcpt")
            self.chance(odd) and self.odd()
        if self.chance(40):
            self.chunks()
        else:
            self.say(b"DATA\r\n")
            self.message(inside=self.chance(85))
            if self.chance(10):
                self.odd()

    def text(self, lines):
        return [self.pick(READ_AS_COMMANDS if self.chance(40) else TEXT) for _ in range(self.random.randint(0, lines))]

    def message(self, inside):
        lines = self.pick([[b"Subject: odd", b""], [b"From: alice@example.org", b"Subject: odd", b""], [b""], []]) + self.text(5)
        end = b"\r\n"
        for _ in range(self.pick([0, 0, 1, 1, 1, 2])):
            kind = self.pick([kind for kind in ENDS if kind != "end"])
            before, dot = ENDS[kind]
            self.body(lines, before, inside)
            self.say(dot, kind, inside)
            # Behind it a second mail, or commands, or only text.
            behind = self.pick([
                [b"MAIL FROM:<mallory@example.org>", b"RCPT TO:<bob@example.org>", b"DATA", b"Subject: second", b"", b"x"],
                [b"HELP"], [b"NOOP", b"RSET"], [b"FOO"], [b"more text"], [], [b"QUIT"],
            ])
            lines = behind + (self.text(3) if self.chance(40) else [])
        self.body(lines, end, inside)
        if self.chance(95):
            self.say(b".\r\n", "end", inside)

    def body(self, lines, last, inside):
        """The lines; the last of them, or nothing before the first, ends as wanted."""
        ends = b"\n" if self.chance(8) else b"\r\n"
        for number, line in enumerate(lines):
            self.say(line + (last if number == len(lines) - 1 else ends), "body", inside)
        if not lines and last != b"\r\n":
            self.say(last, "body", inside)

    def chunks(self):
        for _ in range(self.pick([1, 1, 1, 2, 3])):
            if self.chance(12):
                self.say(self.pick(NO_CHUNK), "bdat-no-chunk")
                continue
            kind = self.pick(list(SIZES))
            lines = [line + b"\r\n" for line in self.text(4) + [self.pick(READ_AS_COMMANDS)]]
            if self.chance(15):
                lines[-1] = self.pick([b"HELLO", b"x", b"QUI"])  # no whole line
            size = sum(map(len, lines))
            line = SIZES[kind].format(size, size + 2**32, size + 2**64)
            self.say(line.encode() + b"\r\n", kind)
            if self.chance(10):
                continue  # announced, and then something else
            for line in lines:
                self.say(line, "chunk")
            if not lines[-1].endswith(b"\n") and self.chance(60):
                self.say(b"\r\n", "behind-chunk")
