#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Malformed DNS messages, by UDP and TCP, to ADDRESS PORT: each may be refused or ignored, but
neither answered as if it were good nor the last thing that is answered."""
import socket
import struct
import sys

import dns.flags
import dns.message
import dns.query
import dns.rcode

SERVER, PORT, GOOD = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def good():
    return dns.message.make_query(GOOD, "A", use_edns=0).to_wire()


def header(questions=1, answers=0, authority=0, additional=0, flags=0x0100):
    return struct.pack("!6H", 0x4711, flags, questions, answers, authority, additional)


QUESTION = b"\x03www\x07example\x04test\x00\x00\x01\x00\x01"
CASES = {
    "no header": b"\x47\x11\x01",
    "no question": header(0),
    "question cut": header() + QUESTION[:9],
    "pointer to itself": header() + b"\xc0\x0c\x00\x01\x00\x01",
    "pointers in a circle": header() + b"\xc0\x0e\xc0\x0c\x00\x01\x00\x01",
    "pointer behind the end": header() + b"\xc0\xff\x00\x01\x00\x01",
    "label type 01": header() + b"\x41" + b"a" * 65 + b"\x00\x00\x01\x00\x01",
    "name of 300 bytes": header() + (b"\x3f" + b"a" * 63) * 5 + b"\x00\x00\x01\x00\x01",
    "two questions": header(2) + QUESTION * 2,
    "65535 questions": header(65535) + QUESTION,
    "two OPTs": header(additional=2) + QUESTION + (b"\x00\x00\x29\x04\xd0" + b"\x00" * 6) * 2,
    "OPT that overruns": header(additional=1) + QUESTION
    + b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\xff\xff",
    "OPT as an answer": header(answers=1) + QUESTION + b"\x00\x00\x29\x04\xd0" + b"\x00" * 6,
    "an answer": header(flags=0x8180) + QUESTION,
}


def exchange(wire, tcp):
    """The answer, None: there was none."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as s:
        s.settimeout(0.3)
        s.connect((SERVER, PORT))
        try:
            s.sendall(struct.pack("!H", len(wire)) + wire if tcp else wire)
            answer = s.recv(65537)
        except (TimeoutError, ConnectionError):
            return None
        return answer[2 if tcp else 0:] or None


def main():
    wrong = 0
    for name, wire in CASES.items():
        for tcp in (False, True):
            answer = exchange(wire, tcp)
            if answer and answer[3] & 15 == dns.rcode.NOERROR:
                print("answered as if it were good:", name, "by TCP" if tcp else "by UDP")
                wrong += 1
    for tcp in (False, True):
        answer = dns.message.from_wire(exchange(good(), tcp) or b"")
        if answer.rcode() != dns.rcode.NOERROR or not answer.answer:
            print("a good query is not answered any more")
            wrong += 1
    print(len(CASES), "cases")
    return wrong > 0


sys.exit(main())
