"""What is true of a dialogue that was spoken line by line, as the lines that synth's dialogue files expect records with: which
line was a command, what each reply answers, how long each message was.

It knows nothing of how mailtap reads: a line was answered by what came behind it, and what a server did not answer although it
answered the lines behind, it took for text. Where that proves nothing the dialogue is unclear and left out, and counted.
"""

import re

# These read the octets of a chunk that they refuse; the others execute them.
SWALLOW = ("exim", "postfix")
KNOWN = "HELO EHLO LHLO MAIL RCPT DATA BDAT BURL RSET VRFY EXPN HELP NOOP QUIT AUTH ETRN ATRN TURN SEND SOML SAML".split()
TAKEN = re.compile(rb"\bOK id=| queued as | Message accepted for delivery")  # what is said of a whole mail
CANDIDATE = re.compile(rb"(?:^|[\r\n])\.\r*\n?$")


def split(heard):
    """The replies in what was heard, each with all its lines; what is no whole reply is the last."""
    replies, current = [], b""
    for line in re.findall(rb"[^\n]*\n|[^\n]+$", heard):
        current += line
        if line.endswith(b"\n") and line[3:4] != b"-":
            replies.append(current)
            current = b""
    return replies + [current] if current else replies


def count(heard):
    return sum(reply.endswith(b"\n") and reply[:-1].rsplit(b"\n", 1)[-1][3:4] != b"-" for reply in split(heard))


def codes(heard):
    return [code(reply) for reply in split(heard)]


def code(reply):
    """Of its last line."""
    return reply.rstrip(b"\n").rsplit(b"\n", 1)[-1][:3]


def may_end(line):
    """Whether some server may take this line of a message for its end."""
    return bool(re.search(rb"(?:^|\r)\.[\r\0 ]*\n?$", line))


def verb(line):
    found = re.match(rb"[ \t]*([A-Za-z][A-Za-z0-9-]*)(?=[ \t:]|\r*\n?$)", line)
    return found.group(1).decode().upper() if found else None


def argument(line):
    """The argument of a line that is spelled plainly, else None."""
    found = re.fullmatch(rb"([A-Za-z]+) ([!#-\[\]-~]+(?: [!#-\[\]-~]+)*)\r?\n", line)
    secret = found and found.group(1).upper() in (b"AUTH", b"XAUTH")
    return found.group(2).decode() if found and not secret else None


class Reading:
    """As much as the speaker must know: is a message open, are octets of a chunk to come?"""

    def __init__(self):
        self.in_data = False
        self.chunk = 0

    def hear(self, write, line, heard):
        self.chunk = max(self.chunk - len(write), 0)
        if not self.in_data and not self.chunk:
            self.chunk = chunk_size(line) or 0
        for one in codes(heard):
            if self.in_data:
                self.in_data = False
            elif one == b"354" and verb(line) == "DATA":
                self.in_data = True


class Teller:
    """Reads the writes and what came behind each."""

    def __init__(self, server):
        self.server = server
        self.events = []
        self.kinds = []  # of the write that each comes from
        self.unclear = None
        self.line = b""  # not ended yet
        self.data = None  # of the open message
        self.exchange = False
        self.refused_auth = False
        self.silent = []  # which events are lines without a reply
        self.by_server = False  # who closes is the server
        self.last = False  # the server closes behind this write

    def reply(self, reply, answers=None):
        told = f" answers {answers}" if answers and answers != "*" else ""
        self.events.append(f"R {code(reply).decode('latin1')}{told} uncertain?")

    def command(self, line):
        said = argument(line)
        if self.refused_auth and re.fullmatch(rb"[A-Za-z0-9+/]+=*\r?\n", line) and verb(line) not in KNOWN:
            self.events.append("C * uncertain?")  # a secret of a client that did not listen
            return "*"
        self.events.append(f"C {verb(line) or '-'}" + (f' "{said}"' if said else "") + " uncertain?")
        return verb(line) or "line"

    def message(self, write, replies):
        """A write while a message is open."""
        self.data += write
        if not replies:
            return
        ended = re.search(rb"(?:^|[\r\n])\0?\.[\r\0 ]*\n?$", self.data)
        if self.last and (not ended or not code(replies[0]).startswith(b"2")):
            # It refused in the middle, and closed.
            self.events.append("D any uncertain? maybe")
            for reply in replies:
                self.reply(reply)
            return
        if not ended:
            self.unclear = "a reply in the middle of a message"
            return
        at = self.data.rindex(b".")
        strict = self.data[at:] == b".\r\n" and (at == 0 or self.data[:at].endswith(b"\r\n"))
        length = f" bytes {at}" if CANDIDATE.search(self.data) else ""  # a stranger end is told as a refusal
        self.events.append(f"D {'dot' if strict else 'any'}{length} uncertain?")
        self.data = None
        self.reply(replies[0], "message")
        self.surplus(replies[1:], "a message")

    def commands(self, write, replies):
        self.line += write
        lines = re.findall(rb"[^\n]*\n", self.line)
        self.line = self.line[sum(map(len, lines)) :]
        for line in lines:
            if self.data is not None:
                self.message(line, replies[:1])
                replies = replies[1:]
                continue
            if self.exchange:
                self.events.append("C - uncertain?")
            name = "exchange" if self.exchange else self.command(line)
            if not replies:
                self.silent.append(len(self.events) - 1)
                continue
            self.reply(replies[0], "*" if name == "BDAT" else name)  # of a message or a command
            last = code(replies[0])
            replies = replies[1:]
            if last == b"354" and name == "DATA":
                self.data = b""
            self.exchange = last == b"334"
            self.refused_auth |= name in ("AUTH", "X-EXPS", "XAUTH") and last > b"334"
        self.surplus(replies, repr(write))

    def surplus(self, replies, what):
        """What a server says beside the reply to the last line, before it closes."""
        for reply in replies:
            self.reply(reply)
            if not self.last:
                self.unclear = f"more replies than one to {what}"

    def tell(self, said, by_server, last):
        kinds = [write.kind if write else "plain" for write, _ in said]
        said = [(write.data if write else None, split(heard)) for write, heard in said]
        self.by_server = by_server
        at, kind = 0, "plain"
        while at < len(said):
            self.kinds += [kind] * (len(self.events) - len(self.kinds))
            write, replies = said[at]
            kind = kinds[at]
            if not any(heard for _, heard in said[at:]):
                # What lies behind the last reply can be read in more ways than one.
                self.events.append("more")
                break
            at += 1
            self.last = by_server and at == len(said)
            if at == 1 and replies:
                self.reply(replies.pop(0), "nothing")
            if write is None:
                for _ in replies:
                    self.unclear = "two greetings"
                continue
            if self.data is not None and not self.line:
                self.message(write, replies)
                continue
            size = chunk_size(self.line + write)
            if self.server == "exim" and re.match(rb"[ \t]*BDAT\t", self.line + write, re.I):
                size = None  # it knows no such command
            if size is not None and not self.exchange:
                at = self.chunk(write, replies, size, said, at)
                continue
            self.commands(write, replies)
        if (self.data is not None or self.line) and "more" not in self.events:
            self.events.append("more")
        replied = max(place for place, event in enumerate(self.events) if event.startswith("R "))
        if any(place < replied for place in self.silent):
            self.unclear = "a line without a reply before others that have one"
        for reply in split(last):
            self.reply(reply)
        self.kinds += [kind] * (len(self.events) - len(self.kinds))
        return list(zip(self.events, self.kinds)), self.unclear

    def chunk(self, write, replies, size, said, at):
        """A BDAT line and what lies within the octets that it announces; gives where to go on."""
        self.command(self.line + write)
        self.line = b""
        start, taken, behind = at, 0, []
        while at < len(said) and taken < size:
            behind.append(said[at])
            taken += len(said[at][0])
            at += 1
        self.last = self.by_server and at == len(said)
        answered = next((number for number, (_, heard) in enumerate(behind) if heard), None)
        until = sum(len(data) for data, _ in behind[: len(behind) if answered is None else answered + 1])
        crossing = taken > size
        if replies:
            self.reply(replies[0])
            self.surplus(replies[1:], "BDAT")
            if size == 0:
                self.events.insert(-1, "D any bytes 0 uncertain? maybe")
                return start
            executed = (
                self.server not in SWALLOW
                or code(replies[0]) == b"500"
                or b"not advertised" in replies[0]
                or b"only RSET accepted" in replies[0]
                or answered is not None and until <= size
            )
            if executed or not any(heard for _, heard in said[start:]):
                return start
            self.events.insert(-1, f"D any bytes {min(size, taken)} uncertain?")
            if crossing:
                data, heard = said[at - 1]
                self.commands(data[len(data) - (taken - size) :], heard)
            return at
        # It waits for its octets.
        if answered is None and not crossing:
            self.events.append(f"D any bytes {min(size, taken)} uncertain?")
            if self.server not in SWALLOW:
                self.silent.append(len(self.events) - 1)
            return at
        if answered is None or until < size or answered != len(behind) - 1:
            self.unclear = f"a chunk of {size} was answered behind {until}"
            return at
        self.events.append(f"D any bytes {size} uncertain?")
        data, heard = behind[answered]
        self.reply(heard[0])
        if crossing:
            self.commands(data[len(data) - (until - size) :], heard[1:])
        else:
            self.surplus(heard[1:], "a chunk")
        return at


def chunk_size(line):
    """How many octets a BDAT line announces to a server that reads the leading digits; None for other lines."""
    if verb(line) != "BDAT" or not line.endswith(b"\n"):
        return None
    found = re.match(rb"[ \t]*BDAT[ \t]+\+?(\d+)", line, re.I)
    size = int(found.group(1)) if found else 0
    return size % 2**32 if size < 2**64 else 2**32 - 1


def tell(server, said, by_server, last):
    return Teller(server).tell(said, by_server, last)


NAMED = {9: "\\t", 10: "\\n", 13: "\\r", 92: "\\\\", 123: "\\{", 0: "\\0"}


def escape(data):
    """As the dialogue file writes it."""
    text = ""
    for run in re.findall(rb"(?s)((.)\2{15,}|.)", data):
        run = run[0]
        one = NAMED.get(run[0]) or (chr(run[0]) if 32 <= run[0] < 127 else f"\\x{run[0]:02x}")
        text += f"{{{one}*{len(run)}}}" if len(run) > 1 else one
    return re.sub(r" $", r"\\s", text)


def written(side, data):
    """The lines of one write."""
    lines = []
    for line in re.findall(rb"[^\n]*\n|[^\n]+$", data):
        plain = line.endswith(b"\r\n") and not line.endswith(b"\r\r\n")
        text = f"{side}: {escape(line[:-2])}" if plain else f"{side}> {escape(line)}"
        lines.append(text.rstrip() if text.endswith(": ") else text)
    return lines


def render(number, address, groups, by_server, last, told):
    """A connection of a dialogue file, and what is expected of it."""
    lines = [f"[{10000 + number} server={address}]"]
    silent = False
    for writes, heard in groups:
        if silent and writes:
            lines.append("@ +0s")
        for write in writes:
            if write.kind not in ("plain", "body"):
                lines.append(f"# {write.kind}")
            lines += written("C", write.data)
        lines += written("S", heard)
        silent = not heard
    lines.append("S FIN" if by_server else "C FIN")
    lines += written("S", last)
    lines.append("C FIN" if by_server else "S FIN")
    lines.append("~ concurrent")
    everything = b"".join(heard for _, heard in groups)
    lines.append(f"~ accepted {len(TAKEN.findall(everything))}")
    if any(event.startswith(("C STARTTLS", "C X-ANONYMOUSTLS")) for event, _ in told):
        lines.append("~ T any")
    for event, kind in told:
        lines += ([] if kind in ("plain", "body") else [f"# {kind}"]) + [f"~ {event}"]
    return "\n".join(lines) + "\n"
