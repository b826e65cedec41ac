"""Joins a Regionmesh world by JSON over WebSocket, walks east and says hello. Usage: walk.py http://HOST:PORT [NAME]
Needs Python 3 and nothing else. The words are told in docs/clients.md, the demo game's bytes in its README."""
import base64, json, os, socket, struct, sys, time
from urllib.parse import urlsplit

place, name = urlsplit(sys.argv[1]), "".join(sys.argv[2:3]) or "Snake"
line = socket.create_connection((place.hostname, place.port or 80), timeout=10)
line.sendall((f"GET /mesh HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
              "Sec-WebSocket-Protocol: regionmesh.v1.json\r\n\r\n").encode())
stream = line.makefile("rb")
if b" 101 " not in (status := stream.readline()):
    sys.exit((status + stream.read()).decode())
while stream.readline() != b"\r\n":
    pass

def frame(opcode, payload):
    mask, size = os.urandom(4), len(payload)
    head = bytes([0x80 | opcode]) + (bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size))
    line.sendall(head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)))

def say(**word):
    frame(1, json.dumps(word).encode())

def hear():
    while True:
        first, size = stream.read(2)
        if size > 125:
            size = int.from_bytes(stream.read(2 if size == 126 else 8), "big")
        payload, opcode = stream.read(size), first & 0x0F
        if opcode == 9:
            frame(10, payload)
        elif opcode == 8:
            sys.exit("the proxy has closed")
        elif opcode == 1:
            return json.loads(payload)

def game(*numbers):
    return base64.b64encode(bytes(numbers)).decode()

say(type="join", name=name)
walked, begun, heard, end = 0.0, None, False, time.monotonic() + 60
while not (walked > 3 and heard) and time.monotonic() < end:
    word = hear()
    if word["type"] == "playing" and begun is None:
        say(type="input", input=game(0, 255))  # east, at full speed, until told otherwise
        say(type="command", body=game(1, *b"hello"), **{"class": "soft"})
    elif word["type"] == "snapshot" and word["own"]:
        x, y = struct.unpack_from("<ff", base64.b64decode(word["own"]), 8)
        begun = x if begun is None else begun
        walked = abs(x - begun)
    elif word["type"] == "command_ack":
        heard = True
    elif word["type"] == "close":
        sys.exit(word["text"])
say(type="logout")
print(f"{name} walked {walked:.1f} units and was heard: {heard}")
sys.exit(0 if walked > 3 and heard else 1)
